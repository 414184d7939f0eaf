"""Fernet as Python's cryptography does it. Reads one JSON array of requests, answers with one array.

A request has "op" ("encrypt", "decrypt" or "rotate"), "keys" (the first one encrypts) and "values": base64 of plain
bytes to encrypt, tokens as text for the others. An answer is an array of the same length; null is a token that does
not open.
"""

import base64
import json
import sys

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


def one(request):
    multi = MultiFernet([Fernet(key) for key in request["keys"]])
    answers = []
    for value in request["values"]:
        try:
            if request["op"] == "encrypt":
                answers.append(multi.encrypt(base64.b64decode(value)).decode())
            elif request["op"] == "rotate":
                answers.append(multi.rotate(value).decode())
            else:
                answers.append(base64.b64encode(multi.decrypt(value)).decode())
        except InvalidToken:
            answers.append(None)
    return answers


json.dump([one(request) for request in json.load(sys.stdin)], sys.stdout)
