"""Makes the certificates of the authentication cases: certificates.py DIRECTORY

ca.pem, router.pem and client.pem (CN "door"), the last two with their keys; a key pair for cryptosign in key.hex and
key.pub.
"""

import datetime
import ipaddress
import os
import sys

import nacl.signing
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

directory = sys.argv[1]


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(subject, issuer=None, signer=None):
    """Returns a certificate and its key. Without an issuer, it is the root certificate of an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer or subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]), critical=False)
    )
    return builder.sign(signer or key, hashes.SHA256()), key


def write(file, *blocks):
    path = os.path.join(directory, file)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
        f.write(b"".join(blocks))


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def private(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


ca, ca_key = certify("Interop CA")
write("ca.pem", pem(ca))
for file, subject in (("router.pem", "router"), ("client.pem", "door")):
    made, key = certify(subject, "Interop CA", ca_key)
    write(file, pem(made), private(key))

signing = nacl.signing.SigningKey.generate()
write("key.hex", bytes(signing).hex().encode())
write("key.pub", bytes(signing.verify_key).hex().encode())
