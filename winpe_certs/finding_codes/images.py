"""Codes about what an image holds: Blobs, stores, and what a change makes of them."""

from __future__ import annotations

from typing import Final

from winpe_certs.finding_codes.entry import ERROR, INFO, WARNING, Entry

_NARROWED: Final = "Inject the certificate file again: that replaces the Blob by one without the property."
_DONOR: Final = "The computer that the Blob comes from limited the root by"

IMAGES: Final = (
    Entry(
        "untidy-hive",
        (INFO,),
        "The structure check found what other programs leave in a hive.",
        "Windows' recovery, offreg.dll, hivex or reged has written it. --full-check reports it; see "
        "docs/reliability.md.",
        "Nothing has to be done. A count that is too low is raised by the next change.",
    ),
    Entry(
        "narrowed-eku",
        (ERROR, WARNING),
        "Property 09 limits the root to uses without server authentication.",
        f"{_DONOR} property 09 (or it cannot be read, which is a warning).",
        _NARROWED,
        "CERT_WRONG_USAGE",
        allow=True,
        skip=True,
    ),
    Entry(
        "narrowed-names",
        (ERROR, WARNING),
        "Property 54 limits the root to certain names.",
        f"{_DONOR} property 54. In a chain it is an error when a name of the server lies outside.",
        _NARROWED,
        allow=True,
        skip=True,
    ),
    Entry(
        "narrowed-disabled",
        (ERROR, WARNING),
        "Property 68 disables the root from a date on.",
        f"{_DONOR} property 68. In a chain it is a warning before that date.",
        _NARROWED,
        allow=True,
        skip=True,
    ),
    Entry(
        "narrowed-disallowed-eku",
        (ERROR, WARNING),
        "Property 7A takes uses away from the root.",
        f"{_DONOR} property 7A. In a chain it is an error when server authentication is among them.",
        _NARROWED,
        "CERT_WRONG_USAGE",
        allow=True,
        skip=True,
    ),
    Entry(
        "narrowed-archived",
        (ERROR,),
        "Property 13 marks the certificate as archived, and Windows skips it.",
        "Somebody archived it on the computer that the Blob comes from, for example after a renewal.",
        _NARROWED,
        allow=True,
        skip=True,
    ),
    Entry(
        "narrowed-not-before",
        (ERROR, WARNING),
        "Properties 7E and 7F take trust from certificates that were issued after a date.",
        f"{_DONOR} these properties, as Microsoft does with roots that are phased out.",
        _NARROWED,
        allow=True,
        skip=True,
    ),
    Entry(
        "wrong-cached-hash",
        (ERROR, WARNING),
        "A hash that the Blob keeps of the certificate is wrong.",
        "The Blob was edited by hand, or put together out of two. A wrong SHA-1 is an error.",
        "Inject the certificate file again.",
        allow=True,
        skip=True,
    ),
    Entry(
        "disallowed",
        (ERROR,),
        "The certificate is also in Disallowed, or on a list of distrusted ones, so Windows refuses it.",
        "Somebody distrusted it in this image, or Windows came with it there. A key of Disallowed counts "
        "under any name, and a list (DisallowedCertEncodedCtl) by the hashes in it.",
        "If it was put there by mistake, take it out first: remove with --store Disallowed.",
        allow=True,
        skip=True,
    ),
    Entry(
        "disallowed-unread",
        (ERROR, WARNING),
        "Something that distrusts certificates cannot be read, so it may distrust this one.",
        "A key of Disallowed has a Blob that breaks its format, or a list of distrusted certificates "
        "(DisallowedCertEncodedCtl) cannot be read or uses hashes that are not known. What Windows makes "
        "of it is not documented. inject and check-server warn of it.",
        "Put it right where it is filled, or take the image from its source again.",
    ),
    Entry(
        "odd-key-name",
        (WARNING, INFO),
        "A key holds the certificate under a name that is not its thumbprint.",
        "A script wrote it. What Windows makes of such a key is not documented, so it makes no certificate "
        "present, and its limits count.",
        "Inject the certificate, so that it has a key of its own name; remove takes the odd one out.",
    ),
    Entry(
        "copies-left",
        (WARNING,),
        "Other copies of a certificate that was taken out still count.",
        "remove and --replace take it out of AuthRoot, ROOT and CA of the machine, or of the stores that "
        "were named. Group policy, the enterprise or another store has it as well.",
        "remove with --store all takes every copy out.",
    ),
    Entry(
        "from-disallowed",
        (ERROR,),
        "The file has the certificate in the store Disallowed, as distrusted.",
        "The .reg file or serialized store was exported from Disallowed.",
        "Say where it should go: --store Disallowed, or --store AuthRoot to trust it.",
        skip=True,
    ),
    Entry(
        "disallows-used",
        (WARNING,),
        "A certificate that the image builds chains with goes into Disallowed.",
        "It is in a store of this image as a root or an intermediate. From now on every chain through it is "
        "refused.",
        "Make sure that the CMG and the management points have other chains, or leave it out.",
    ),
    Entry(
        "moved-store",
        (INFO, WARNING),
        "The certificate goes into another store than its file has it in.",
        "Its file names a store that does not fit its kind. It is a warning when it gains trust as a root.",
        "Name the store with --store if that is not what you want.",
        skip=True,
    ),
    Entry(
        "other-store",
        (INFO,),
        "The certificate is in a store where it does not count.",
        "It was put into a store for another kind, or into that of group policy or the enterprise.",
        "Inject it into the right store, or name that store with --store.",
    ),
    Entry(
        "lower-case-key",
        (INFO,),
        "The key of a stored certificate is not named in upper case.",
        "A script wrote it. Windows compares names of keys without case; other readers pass such a key by.",
        "Inject the certificate again: then the name is in upper case.",
    ),
    Entry(
        "blob-differs",
        (INFO, ERROR),
        "The image has the certificate with other properties than the given ones.",
        "Computers keep different properties of a certificate. Only --strict-blob makes this an error.",
        "Nothing has to be done: the certificate and its trust are the same.",
    ),
    Entry(
        "damaged",
        (ERROR, WARNING),
        "A stored certificate, or one of a file, is not what it should be.",
        "Its key has no Blob, the Blob breaks its format, or it holds another certificate than the name of "
        "the key says. In a file: the entry is cut off. It is a warning where inject has replaced it.",
        "Inject the certificate file again. In a file: copy or export it again.",
        skip=True,
    ),
    Entry(
        "required-root",
        (ERROR,),
        "Windows itself needs this root, although it has expired.",
        "Microsoft lists it as required (KB 293781): signatures on old files end at it.",
        "Leave it in.",
        allow=True,
    ),
    Entry(
        "live-store",
        (INFO,),
        "The certificate was found in a store of this computer.",
        "--thumbprint looks into AuthRoot, ROOT and CA of the running Windows.",
        "Nothing has to be done. The report names the store that it is written for.",
    ),
    Entry(
        "not-windows",
        (INFO,),
        "The image has no SOFTWARE hive.",
        "It is a data image, not Windows.",
        "Nothing has to be done; choose another image with --index.",
    ),
    Entry(
        "other-images",
        (INFO,),
        "The .iso has other image files that were not looked at.",
        "Only sources/boot.wim is what boots.",
        "audit looks at all image files of an .iso.",
    ),
    Entry(
        "expiring",
        (ERROR,),
        "A required root expires within the days that the audit asks for.",
        "The end of its validity is near.",
        "Add the new root beside it.",
    ),
    Entry(
        "memory",
        (ERROR,),
        "There was not enough memory to read an image.",
        "Several images are read at once in an audit, and this one is large.",
        "Audit this image separately.",
    ),
    Entry(
        "died",
        (ERROR,),
        "The process that read an image died.",
        "Mostly the system ended it because memory ran out.",
        "Audit this image separately.",
    ),
    Entry(
        "defect",
        (ERROR,),
        "The program itself has a defect.",
        "Something unforeseen happened. Images that the report does not name are unchanged.",
        "Please report it with the output of the same command and -vv.",
        exit_code=70,
    ),
)
