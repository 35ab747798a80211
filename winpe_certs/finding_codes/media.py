"""Codes about a media certificate, the client certificate of Configuration Manager boot media."""

from __future__ import annotations

from typing import Final

from winpe_certs.finding_codes.entry import ERROR, INFO, WARNING, Entry

_TEMPLATE: Final = (
    "Have one issued with client authentication, as from the template Workstation Authentication."
)

MEDIA: Final = (
    Entry(
        "no-private-key",
        (ERROR,),
        "The PKCS#12 file holds no private key that belongs to the certificate.",
        "It was exported without the key, or the key is not exportable.",
        "Export it again with 'Yes, export the private key'.",
    ),
    Entry(
        "no-client-auth",
        (ERROR,),
        "The extended key usage does not include client authentication.",
        "It was issued from a template for another use.",
        _TEMPLATE,
    ),
    Entry(
        "no-extended-key-usage",
        (WARNING,),
        "The certificate has no extended key usage.",
        "To Windows that is every use; Configuration Manager asks for client authentication.",
        _TEMPLATE,
    ),
    Entry(
        "is-ca",
        (WARNING,),
        "The certificate is that of a certificate authority, not of a client.",
        "The wrong certificate was exported.",
        "Use a client certificate: anyone who has the boot media could issue certificates with this one.",
    ),
    Entry(
        "media-key-kind",
        (ERROR,),
        "The key is not an RSA key.",
        "Configuration Manager clients support RSA keys only.",
        "Have one issued with an RSA key of 2048 bits.",
    ),
    Entry(
        "media-sha1",
        (WARNING, ERROR),
        "The certificate is not signed with SHA-2.",
        "An old CA signed it. Windows does not accept MD5: then it is an error.",
        "Have one issued with SHA-256.",
    ),
    Entry(
        "media-provider",
        (INFO, WARNING),
        "What is to say about the cryptographic provider that the file asks for.",
        "Microsoft recommends the Enhanced RSA and AES provider. It is a warning for one that has no "
        "SHA-256.",
        "Import the file with the recommended provider, then export it again.",
    ),
)
