"""Opening what `openssl cms -encrypt -aes-256-gcm` has sealed: CMS AuthEnvelopedData, read as a stream.

Python's cryptography has AES-GCM and RSA-OAEP but does not read this form; openssl does, and reads all of it into memory first.
Sources: RFC 5652 sections 6.1 and 6.2.1 (RecipientInfos, KeyTransRecipientInfo), RFC 5083 section 2.1 (AuthEnvelopedData),
RFC 5084 section 3.2 (GCMParameters), RFC 4055 section 4.1 (RSAES-OAEP), X.690 section 8 (BER: openssl streams with lengths that
are not told beforehand). Only what the node's program makes is read; everything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sloth.model.secret import Secret

_AUTH_ENVELOPED = bytes.fromhex("060b2a864886f70d0109100117")
_AES_256_GCM = bytes.fromhex("060960864801650304012e")
_OAEP = bytes.fromhex("06092a864886f70d010107")
_SHA256 = bytes.fromhex("0609608648016503040201")
_MGF1 = bytes.fromhex("06092a864886f70d010108")
_SEQUENCE, _SET, _OCTETS, _INTEGER, _END = 0x30, 0x31, 0x04, 0x02, 0x00
_CONTENT = (0xA0, 0x80)  # [0] of several parts, [0] in one
_LONGEST = 1 << 20  # bytes of a part; openssl writes 4 KiB, or everything in one when it did not stream
_PIECE = 1 << 18


class NotSealed(Exception):
    """It is not what was expected, was changed, or is sealed for another certificate."""


@dataclass
class _Reader:
    """BER from a stream: tags and lengths, nothing kept."""

    source: BinaryIO

    def take(self, count: int) -> bytes:
        data = self.source.read(count)
        if len(data) != count:
            raise NotSealed("it ends too early")
        return data

    def head(self) -> tuple[int, int]:
        """Tag, and length in bytes; -1 = told by an end mark."""
        tag, first = self.take(2)
        if first < 0x80:
            return tag, first
        if first == 0x80:
            return tag, -1
        if first & 0x7F > 8:
            raise NotSealed("a length has too many digits")
        return tag, int.from_bytes(self.take(first & 0x7F))

    def enter(self, *tags: int) -> int:
        """Step into an element of one of these tags; its length."""
        tag, length = self.head()
        if tag not in tags:
            raise NotSealed(f"element {tag:#x} stands where {tags[0]:#x} should")
        return length

    def whole(self, tag: int) -> bytes:
        """The content of a small element."""
        length = self.enter(tag)
        if not 0 <= length <= _LONGEST:
            raise NotSealed("a part is too long")
        return self.take(length)

    def expect(self, text: bytes) -> None:
        """Read exactly these bytes."""
        if self.take(len(text)) != text:
            raise NotSealed("it was not sealed as sloth seals")


def opened(source: BinaryIO, key: Secret) -> Iterator[bytes]:
    """What was sealed, piece by piece. The last piece comes only if the seal is whole. Raises NotSealed.

    Until the iteration has ended, nothing of what came may be used: it is proven by the tag, which stands at the end.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import GCM

    reader = _Reader(source)
    reader.enter(_SEQUENCE)
    reader.expect(_AUTH_ENVELOPED)
    reader.enter(0xA0)
    reader.enter(_SEQUENCE)
    reader.expect(b"\x02\x01\x00")
    content_key = _content_key(reader, key)
    reader.enter(_SEQUENCE)
    reader.whole(0x06)
    reader.enter(_SEQUENCE)
    reader.expect(_AES_256_GCM)
    reader.enter(_SEQUENCE)
    nonce = reader.whole(_OCTETS)
    reader.expect(b"\x02\x01\x10")  # a tag of 16 bytes
    decryptor = Cipher(AES(content_key), GCM(nonce)).decryptor()
    for piece in _ciphertext(reader):
        yield decryptor.update(piece)
    tag = _tag(reader)
    try:
        yield decryptor.finalize_with_tag(tag)
    except InvalidTag as error:
        raise NotSealed("it was changed after it was sealed") from error


def _content_key(reader: _Reader, key: Secret) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    reader.enter(_SET)
    reader.enter(_SEQUENCE)
    reader.expect(b"\x02\x01\x00")
    reader.whole(_SEQUENCE)  # issuer and serial number: the manifest says for which certificate it is
    how = reader.whole(_SEQUENCE)
    if not how.startswith(_OAEP) or how.count(_SHA256) != 2 or _MGF1 not in how:
        raise NotSealed("its key is not encrypted as sloth does it")
    wrapped = reader.whole(_OCTETS)
    private = load_pem_private_key(key.reveal().encode(), None)
    assert isinstance(private, RSAPrivateKey)  # noqa: S101  sloth made it
    try:
        found = private.decrypt(wrapped, OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None))
    except ValueError as error:
        raise NotSealed("it is sealed for another certificate") from error
    if len(found) != 32:
        raise NotSealed("its key has not 256 bits")
    return found


def _ciphertext(reader: _Reader) -> Iterator[bytes]:
    length = reader.enter(*_CONTENT)
    if length >= 0:
        while length:
            piece = reader.take(min(length, _PIECE))
            length -= len(piece)
            yield piece
        return
    while True:
        tag, size = reader.head()
        if (tag, size) == (_END, 0):
            break
        if tag != _OCTETS or not 0 <= size <= _LONGEST:
            raise NotSealed(f"element {tag:#x} stands in the content")
        yield reader.take(size)
    reader.expect(b"\x00\x00")  # the end of EncryptedContentInfo


def _tag(reader: _Reader) -> bytes:
    return reader.whole(_OCTETS)
