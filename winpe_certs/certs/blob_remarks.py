"""What a person should know of the Blob that came with a certificate, before it goes into an image."""

from __future__ import annotations

from winpe_certs.certs.blob import Blob, PropertyId


def blob_remarks(blob: Blob, origin: str) -> list[str]:
    """Warnings about properties that name something of the computer which the Blob comes from."""
    remarks = []
    if blob.get(PropertyId.KEY_PROV_INFO) is not None:
        remarks.append(
            f"{origin}: the Blob names a private key on the donor computer (property 0x02);"
            " the key itself is not in this file, but start from the certificate file to leave its name out"
        )
    if blob.get(PropertyId.REQUEST_ORIGINATOR) is not None:
        remarks.append(
            f"{origin}: the Blob names the computer that asked for the certificate (property 0x47);"
            " start from the certificate file to leave its name out"
        )
    return remarks
