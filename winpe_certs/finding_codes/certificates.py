"""Codes about a certificate itself: its role, dates, key, signature, and how it is encoded."""

from __future__ import annotations

from typing import Final

from winpe_certs.finding_codes.entry import ERROR, INFO, WARNING, Entry

CERTIFICATES: Final = (
    Entry(
        "not-a-ca",
        (ERROR,),
        "The certificate is not that of a certificate authority.",
        "Its basic constraints do not say CA. Usually it is the server's own certificate instead of the "
        "root.",
        "Give the root at the top of the server's chain. In a chain: have the PKI team check who issued it.",
        "INVALID_CA",
        allow=True,
        skip=True,
    ),
    Entry(
        "no-cert-sign",
        (WARNING, ERROR),
        "The key usage does not include certificate signing, although the certificate calls itself a CA.",
        "The CA was issued with a key usage that does not fit its role. In a chain this is an error.",
        "Check with the PKI team that this is the certificate which signs the chain.",
        skip=True,
    ),
    Entry(
        "no-basic-constraints",
        (WARNING,),
        "A root of version 3 has no basic constraints and no key usage.",
        "Old tools made such roots; Microsoft Root Authority is one. Windows builds chains below them, other "
        "systems do not.",
        "Nothing has to be done for Windows. Ask for basic constraints when the root is renewed.",
        skip=True,
    ),
    Entry(
        "not-self-signed",
        (WARNING,),
        "The certificate is no root: another certificate issued it.",
        "It is an intermediate, or a CA whose key was renewed.",
        "Put it into the store CA, and its root into the image as well. In a root store it breaks HTTPS.",
        skip=True,
    ),
    Entry(
        "programme-signature",
        (WARNING,),
        "The signature of a root in Microsoft's list does not verify.",
        "The root was made with a fault. Windows knows a root by its bytes, so it still counts.",
        "Compare the thumbprint with Microsoft's list.",
        skip=True,
    ),
    Entry(
        "broken-signature",
        (ERROR, WARNING),
        "The signature of the certificate does not fit its content.",
        "The certificate is damaged or forged. For a root that has expired it is a warning.",
        "Export it again from the CA, and compare the thumbprint with the one that the PKI team publishes.",
        "INVALID_CA",
        allow=True,
        skip=True,
    ),
    Entry(
        "expired",
        (ERROR, WARNING, INFO),
        "The certificate has expired.",
        "Its last day of validity is over. In a chain the clock of the computer counts, and Windows PE "
        "starts with the clock of the firmware. An expired publisher is a warning.",
        "Take the renewed certificate. If the date is wrong, correct the clock.",
        "CERT_DATE_INVALID",
        allow=True,
        skip=True,
    ),
    Entry(
        "expires-soon",
        (WARNING, INFO),
        "The certificate expires within 90 days (in an audit: within the days asked for).",
        "The end of its validity is near. Boot media made with it stop working on that day.",
        "Plan new media, or add the renewed root beside it.",
        skip=True,
    ),
    Entry(
        "not-yet-valid",
        (WARNING, ERROR),
        "The certificate is not valid yet.",
        "The clock of the computer is wrong, or the certificate was issued for a later date. In a chain and "
        "for a media certificate this is an error.",
        "Check the clock. Windows PE starts with the clock of the firmware; F8, date and time set it.",
        "CERT_DATE_INVALID",
        skip=True,
    ),
    Entry(
        "weak-key",
        (WARNING, ERROR),
        "The key is shorter than 2048 bits.",
        "The certificate is old. Windows refuses RSA keys below 1024 bits (KB 2661254): then it is an error "
        "in a chain and for a media certificate.",
        "Have it renewed with 2048 bits or more.",
        skip=True,
    ),
    Entry(
        "undocumented-key",
        (WARNING,),
        "Whether TLS in Windows takes this kind of key is not documented.",
        "The key is RSASSA-PSS, on a brainpool or another rare curve, Ed25519, compressed, or damaged. No "
        "public source says what Windows does, or the reports go both ways.",
        "To be sure, have it issued with an RSA key, or an EC key on P-256 or P-384.",
        skip=True,
    ),
    Entry(
        "weak-signature",
        (WARNING, ERROR),
        "The certificate is signed with SHA-1, MD5, MD4 or MD2.",
        "An old CA signed it. The older hashes can be forged: in a chain they are an error. SHA-1 is a "
        "warning.",
        "Have it issued again with SHA-256.",
        skip=True,
    ),
    Entry(
        "critical-name-constraints",
        (WARNING,),
        "The CA is limited to certain names.",
        "It has name constraints that are critical: names outside of them are refused below it.",
        "Make sure that the names of the CMG and the management points are among them.",
        skip=True,
    ),
    Entry(
        "no-server-auth",
        (WARNING, ERROR),
        "The uses of the certificate do not include server authentication.",
        "Its application policies, or without them its extended key usage, leave 1.3.6.1.5.5.7.3.1 out. "
        "Every certificate of a chain must allow it, so in a chain this is an error.",
        "Ask the PKI team for the CA that issues server certificates, or have it issued from another "
        "template.",
        "CERT_WRONG_USAGE",
        skip=True,
    ),
    Entry(
        "name-encoding-differs",
        (WARNING,),
        "Issuer and subject are one name in two encodings.",
        "String type, case or blanks differ. Windows compares names byte for byte in places.",
        "Have it issued again by a CA that copies its own name as it is.",
        skip=True,
    ),
    Entry(
        "unreadable",
        (ERROR, WARNING, INFO),
        "The bytes cannot be read as an X.509 certificate.",
        "Even its outer fields cannot be found. Windows stores a certificate by its bytes and their "
        "SHA-1. In an image it is a warning, and in an answer about a server nothing can be said of it.",
        "Compare the thumbprint with the one that the PKI team publishes before you let it in.",
        allow=True,
        skip=True,
    ),
    Entry(
        "unreadable-part",
        (WARNING,),
        "A part of the certificate cannot be read.",
        "It breaks a rule of its encoding. Windows may read it in another way. When an answer about a server "
        "depends on the part, the answer is undocumented.",
        "Have the certificate issued without this fault.",
        skip=True,
    ),
)
