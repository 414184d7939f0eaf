"""Tink for Python behind JSON lines: one request a line on stdin, one reply a line on stdout, until stdin ends.

Request: {"id": 1, "op": "aead_encrypt", ...}; reply: {"id": 1, "ok": ...} or {"id": 1, "error": "..."}.
Bytes are base64. Keysets are cleartext Tink JSON.
"""

import base64
import importlib.metadata
import io
import json
import sys

import tink
from tink import aead
from tink import json_proto_keyset_format
from tink import prf
from tink import proto_keyset_format
from tink import secret_key_access
from tink import streaming_aead

TEMPLATES = {
    'AES256_GCM': aead.aead_key_templates.AES256_GCM,
    'AES256_GCM_RAW': aead.aead_key_templates.AES256_GCM_RAW,
    'X_AES_256_GCM': aead.aead_key_templates.XAES_256_GCM_192_BIT_NONCE,
    'X_AES_256_GCM_RAW': aead.aead_key_templates.XAES_256_GCM_192_BIT_NONCE_NO_PREFIX,
    'HMAC_SHA256_PRF': prf.prf_key_templates.HMAC_SHA256,
}


class KeptBytes(io.BytesIO):
  """Tink closes the stream it writes to; this keeps what was in it."""

  kept = b''

  def close(self):
    if not self.closed:
      self.kept = self.getvalue()
    super().close()


def from_json(text):
  return json_proto_keyset_format.parse(text, secret_key_access.TOKEN)


def to_json(handle):
  return json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN)


def unbase64(text):
  return base64.b64decode(text, validate=True)


def to_base64(data):
  return base64.b64encode(data).decode('ascii')


def aead_of(keyset):
  return from_json(keyset).primitive(aead.Aead)


def version(_):
  return importlib.metadata.version('tink')


def aead_encrypt(request):
  plaintext, associated_data = unbase64(request['data']), unbase64(request['associatedData'])
  return to_base64(aead_of(request['keyset']).encrypt(plaintext, associated_data))


def aead_decrypt(request):
  ciphertext, associated_data = unbase64(request['data']), unbase64(request['associatedData'])
  return to_base64(aead_of(request['keyset']).decrypt(ciphertext, associated_data))


def streaming_encrypt(request):
  primitive = from_json(request['keyset']).primitive(streaming_aead.StreamingAead)
  target = KeptBytes()
  with primitive.new_encrypting_stream(target, unbase64(request['associatedData'])) as stream:
    stream.write(unbase64(request['data']))
  return to_base64(target.kept)


def streaming_decrypt(request):
  primitive = from_json(request['keyset']).primitive(streaming_aead.StreamingAead)
  source = io.BytesIO(unbase64(request['data']))
  with primitive.new_decrypting_stream(source, unbase64(request['associatedData'])) as stream:
    return to_base64(stream.read())


def prf_compute(request):
  prf_set = from_json(request['keyset']).primitive(prf.PrfSet)
  return to_base64(prf_set.primary().compute(unbase64(request['data']), request['length']))


def generate(request):
  return to_json(tink.new_keyset_handle(TEMPLATES[request['template']]))


def json_to_binary(request):
  handle = from_json(request['keyset'])
  return to_base64(proto_keyset_format.serialize(handle, secret_key_access.TOKEN))


def binary_to_json(request):
  return to_json(proto_keyset_format.parse(unbase64(request['data']), secret_key_access.TOKEN))


def encrypt_keyset(request):
  handle, kek = from_json(request['keyset']), aead_of(request['kek'])
  associated_data = unbase64(request['associatedData'])
  return {
      'json': json_proto_keyset_format.serialize_encrypted(handle, kek, associated_data),
      'binary': to_base64(proto_keyset_format.serialize_encrypted(handle, kek, associated_data)),
  }


def decrypt_keyset_json(request):
  kek, associated_data = aead_of(request['kek']), unbase64(request['associatedData'])
  return to_json(json_proto_keyset_format.parse_encrypted(request['encrypted'], kek, associated_data))


def decrypt_keyset_binary(request):
  kek, associated_data = aead_of(request['kek']), unbase64(request['associatedData'])
  return to_json(proto_keyset_format.parse_encrypted(unbase64(request['encrypted']), kek, associated_data))


OPERATIONS = {
    operation.__name__: operation
    for operation in (
        version,
        aead_encrypt,
        aead_decrypt,
        streaming_encrypt,
        streaming_decrypt,
        prf_compute,
        generate,
        json_to_binary,
        binary_to_json,
        encrypt_keyset,
        decrypt_keyset_json,
        decrypt_keyset_binary,
    )
}


def main():
  aead.register()
  prf.register()
  streaming_aead.register()
  for line in sys.stdin:
    request = json.loads(line)
    try:
      reply = {'id': request['id'], 'ok': OPERATIONS[request['op']](request)}
    except Exception as error:  # whatever a primitive raises is the answer
      reply = {'id': request['id'], 'error': f'{type(error).__name__}: {error}'}
    print(json.dumps(reply), flush=True)


if __name__ == '__main__':
  main()
