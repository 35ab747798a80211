"""Names of object identifiers that certificates of boot images and their servers have.

Uses: RFC 5280 section 4.2.1.12, IANA's registry of SMI security numbers, and Microsoft's wincrypt.h.
Extensions: RFC 5280 section 4.2 and Microsoft's wincrypt.h. Signatures: RFC 3279, 4055, 5758 and 8410.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

USES: Final[Mapping[str, str]] = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.5": "ipsecEndSystem",
    "1.3.6.1.5.5.7.3.6": "ipsecTunnel",
    "1.3.6.1.5.5.7.3.7": "ipsecUser",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "1.3.6.1.5.5.7.3.17": "ipsecIKE",
    "1.3.6.1.5.5.8.2.2": "iKEIntermediate",
    "1.3.6.1.5.2.3.5": "pkInitKDC",
    "2.5.29.37.0": "anyExtendedKeyUsage",
    "1.3.6.1.4.1.311.10.12.1": "any application policy",
    "1.3.6.1.4.1.311.10.3.1": "trust list signing",
    "1.3.6.1.4.1.311.10.3.4": "encrypting file system",
    "1.3.6.1.4.1.311.10.3.4.1": "file recovery",
    "1.3.6.1.4.1.311.10.3.5": "WHQL driver verification",
    "1.3.6.1.4.1.311.10.3.6": "Windows component verification",
    "1.3.6.1.4.1.311.10.3.9": "root list signer",
    "1.3.6.1.4.1.311.10.3.11": "key recovery",
    "1.3.6.1.4.1.311.10.3.12": "document signing",
    "1.3.6.1.4.1.311.10.3.13": "lifetime signing",
    "1.3.6.1.4.1.311.20.2.1": "enrollment agent",
    "1.3.6.1.4.1.311.20.2.2": "smart card logon",
    "1.3.6.1.4.1.311.21.5": "private key archival",
    "1.3.6.1.4.1.311.21.6": "key recovery agent",
    "1.3.6.1.4.1.311.54.1.2": "remote desktop authentication",
    "1.3.6.1.4.1.311.67.1.1": "BitLocker drive encryption",
    "1.3.6.1.4.1.311.80.1": "document encryption",
}
"""Extended key usages and application policies."""

EXTENSIONS: Final[Mapping[str, str]] = {
    "2.5.29.9": "subjectDirectoryAttributes",
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    "2.5.29.16": "privateKeyUsagePeriod",
    "2.5.29.17": "subjectAltName",
    "2.5.29.18": "issuerAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.30": "nameConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.33": "policyMappings",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.36": "policyConstraints",
    "2.5.29.37": "extendedKeyUsage",
    "2.5.29.46": "freshestCRL",
    "2.5.29.54": "inhibitAnyPolicy",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
    "1.3.6.1.5.5.7.1.3": "qcStatements",
    "1.3.6.1.5.5.7.1.11": "subjectInfoAccess",
    "1.3.6.1.5.5.7.1.24": "TLSFeature",
    "1.3.6.1.5.5.7.48.1.5": "OCSPNoCheck",
    "1.3.6.1.4.1.11129.2.4.2": "signedCertificateTimestampList",
    "1.3.6.1.4.1.11129.2.4.3": "ctPoison",
    "1.3.6.1.4.1.311.20.2": "certificate template name",
    "1.3.6.1.4.1.311.21.1": "CA version",
    "1.3.6.1.4.1.311.21.7": "certificate template",
    "1.3.6.1.4.1.311.21.10": "application policies",
    "1.3.6.1.4.1.311.21.11": "application policy mappings",
    "1.3.6.1.4.1.311.21.12": "application policy constraints",
    "1.3.6.1.4.1.311.25.2": "NTDS security",
    "2.16.840.1.113730.1.1": "netscapeCertType",
}

SIGNATURES: Final[Mapping[str, str]] = {
    "1.2.840.113549.1.1.2": "md2WithRSAEncryption",
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.2.840.113549.1.1.14": "sha224WithRSAEncryption",
    "1.2.840.10040.4.3": "dsa-with-sha1",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "ed25519",
    "1.3.101.113": "ed448",
}

_NAMES: Final = {**USES, **EXTENSIONS, **SIGNATURES}


def with_name(identifier: str) -> str:
    """Put the name of an object identifier before it: ``clientAuth (1.3.6.1.5.5.7.3.2)``."""
    name = _NAMES.get(identifier)
    return f"{name} ({identifier})" if name else identifier
