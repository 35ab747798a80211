"""Codes about the chain of a server: what speaks against it, and what is not documented."""

from __future__ import annotations

from typing import Final

from winpe_certs.finding_codes.entry import ERROR, WARNING, Entry

_REVOCATION: Final = "CERT_REV_FAILED"
_PUBLISH: Final = (
    "Publish the list at an http address that clients reach, or switch the check off (site option, "
    "/NoCRLCheck)."
)

SERVERS: Final = (
    Entry(
        "root-not-in-image",
        (ERROR,),
        "The root of the chain is not in the image.",
        "Nobody put it there, or the image has the root before or after a renewal.",
        "Put it there, after you have compared the thumbprint with the PKI team.",
        "INVALID_CA",
    ),
    Entry(
        "public-root-not-in-image",
        (WARNING,),
        "The chain ends at a public root that is not in the image.",
        "Full Windows fetches public roots on demand. What Windows PE does is not documented.",
        "To be sure, get the root from its CA, compare the thumbprint, and put it into the image.",
        "INVALID_CA",
    ),
    Entry(
        "issuer-missing",
        (ERROR,),
        "An issuer is neither sent by the server nor in the image.",
        "The server does not send its intermediate, or the root is not known.",
        "Have the server send its intermediates. If it is the root, get it from the PKI team and inject it.",
        "INVALID_CA",
    ),
    Entry(
        "issuer-not-sent",
        (WARNING,),
        "An intermediate is missing, and its child names an http address for it.",
        "Full Windows fetches it from there (AIA). What Windows PE does is not documented.",
        "To be sure, have the server send it, or get the file from that address and inject it.",
        "INVALID_CA",
    ),
    Entry(
        "issuer-in-wrong-store",
        (ERROR,),
        "The issuer is in a store of the image where it does not count.",
        "It was put into a store for another kind of certificate.",
        "Put it into the store for its kind: AuthRoot for a root, CA for an intermediate.",
        "INVALID_CA",
    ),
    Entry(
        "issuer-has-other-key",
        (ERROR,),
        "The image has the CA with another key.",
        "The CA was renewed: the certificate was issued with the key of the other certificate.",
        "Get the other certificate of the CA from the PKI team and inject that as well.",
        "INVALID_CA",
    ),
    Entry(
        "key-identifier-differs",
        (WARNING,),
        "The certificate names a key identifier that its issuer does not have.",
        "The issuer fits by serial number, or has no key identifier of its own, so Windows' key match does "
        "not decide. What does is not documented.",
        "Have it issued again by a CA whose certificate has the key identifier that it writes.",
    ),
    Entry(
        "issuer-other-certificate",
        (ERROR,),
        "The certificate names another certificate of its CA, by its serial number.",
        "Its authority key identifier has issuer and serial number: Windows takes only that certificate.",
        "Put the certificate of the CA with that serial number into the image.",
        "INVALID_CA",
    ),
    Entry(
        "judged-unreadable",
        (WARNING,),
        "The issuer seems to be there, but it cannot be read.",
        "A certificate that nobody here can read has the issuer's name in it. Windows may read it.",
        "Ask the PKI team for a certificate of this CA that follows the rules of X.509.",
        "INVALID_CA",
    ),
    Entry(
        "intermediate-in-root-store",
        (WARNING,),
        "An intermediate of the chain is in a root store of the image.",
        "It was put into AuthRoot or ROOT. That is known to break HTTPS (FriendsOfMDT PSD, issue 265).",
        "Take it out of there; it belongs in CA.",
    ),
    Entry(
        "policy-store",
        (WARNING,),
        "A certificate of the chain is only in a store of group policy or of the enterprise.",
        "Windows looks there as well. Whether Windows PE does is not documented.",
        "Put it into the machine's own store, as in Microsoft's procedure.",
    ),
    Entry(
        "search-ended",
        (WARNING,),
        "The search for a chain met its bound.",
        "The PKI has so many certificates of one name that not every way could be tried.",
        "Give the chain that the server really sends, without further certificates.",
    ),
    Entry(
        "invalid-chain",
        (ERROR, WARNING),
        "The chain breaks a rule: a signature, a path length, a policy, or a critical extension.",
        "A certificate is damaged, or was issued against the limits of its CA. What is not documented is a "
        "warning.",
        "Have the PKI team check the chain.",
    ),
    Entry(
        "name-constraints",
        (ERROR, WARNING),
        "A CA of the chain may not issue for the server's name.",
        "Its name constraints leave the name out. What cannot be judged is a warning.",
        "Use a server name that the CA may issue for, or another CA.",
    ),
    Entry(
        "name-mismatch",
        (ERROR, WARNING),
        "The certificate is not for the name of the server.",
        "The name is not among its DNS names. What Windows does with odd names is not documented: a warning.",
        "Ask for a certificate with that name, or use a name that it has.",
        "CERT_CN_INVALID",
    ),
    Entry(
        "common-name-only",
        (WARNING,),
        "The certificate names the server only as its common name.",
        "It has no DNS name as subject alternative name, as after Microsoft's own steps for a CMG. Windows "
        "falls back to the common name; browsers and other clients do not.",
        "Ask for a certificate with the name as a subject alternative name next time.",
    ),
    Entry(
        "curve-not-enabled",
        (ERROR,),
        "The server's key is on a curve that Windows does not enable for TLS by default.",
        "The key is on P-521 or another curve of Microsoft's list that is supported and not enabled.",
        "Have it issued with an RSA key, or an EC key on P-256 or P-384.",
    ),
    Entry(
        "wrong-key-usage",
        (WARNING,),
        "The server's certificate has a key usage without any use that TLS has for a server's key.",
        "Its key usage has neither digital signature nor key encipherment nor key agreement. Whether Windows "
        "looks at it is not documented.",
        "Have it issued with digital signature and key encipherment.",
        "CERT_WRONG_USAGE",
    ),
    Entry(
        "never-valid",
        (ERROR,),
        "At no time is the whole chain valid.",
        "A part of it begins after another has ended.",
        "Have the expired part renewed.",
        "CERT_DATE_INVALID",
    ),
    Entry(
        "validity-short",
        (WARNING,),
        "The whole chain is valid for less than a year from the date in question.",
        "A part of it ends soon, or a property of the image disables the root.",
        "Renew in time. A computer whose firmware has another year starts Windows PE outside of it.",
        "CERT_DATE_INVALID",
    ),
    Entry(
        "revocation-ldap-only",
        (WARNING,),
        "The revocation of a certificate can be checked only over LDAP.",
        "Enterprise CAs publish LDAP addresses by default. Clients on the internet or in a workgroup cannot "
        "reach them.",
        _PUBLISH,
        _REVOCATION,
    ),
    Entry(
        "revocation-no-list",
        (WARNING,),
        "A certificate names neither a revocation list nor an OCSP responder.",
        "The CA was set up without one.",
        _PUBLISH,
        _REVOCATION,
    ),
    Entry(
        "revocation-internal",
        (WARNING,),
        "The revocation list is at an address inside the network.",
        "Its name has no domain that the internet knows, or its address is a private one.",
        _PUBLISH,
        _REVOCATION,
    ),
    Entry(
        "revocation-https",
        (WARNING,),
        "The revocation list can be fetched only over https.",
        "Checking that connection needs a revocation list again (RFC 5280 section 8). Windows may not fetch "
        "it.",
        _PUBLISH,
        _REVOCATION,
    ),
    Entry(
        "revocation-unreachable",
        (WARNING,),
        "No address of the revocation list can be reached by clients outside of the domain.",
        "The addresses are of kinds that only the domain knows.",
        _PUBLISH,
        _REVOCATION,
    ),
)
