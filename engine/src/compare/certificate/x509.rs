// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fields of X.509 certificates and of requests for them (PKCS#10).
//!
//! Extensions that are not named here show in the fingerprint alone.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_cert::certificate::Certificate;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::request::CertReq;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::Time;

use super::super::document::Value;
use super::{Draft, hex, key, sha256};

/// Names of the uses of a key, as `openssl` and RFC 5280 have them.
const USES: [(KeyUsages, &str); 9] = [
    (KeyUsages::DigitalSignature, "digitalSignature"),
    (KeyUsages::NonRepudiation, "nonRepudiation"),
    (KeyUsages::KeyEncipherment, "keyEncipherment"),
    (KeyUsages::DataEncipherment, "dataEncipherment"),
    (KeyUsages::KeyAgreement, "keyAgreement"),
    (KeyUsages::KeyCertSign, "keyCertSign"),
    (KeyUsages::CRLSign, "cRLSign"),
    (KeyUsages::EncipherOnly, "encipherOnly"),
    (KeyUsages::DecipherOnly, "decipherOnly"),
];

/// What one DER is, by trying.
pub(super) fn from_der(data: &[u8]) -> Option<Draft> {
    let private = || key::private_der(data);
    certificate(data).or_else(|| request(data)).or_else(|| key::public(data)).or_else(private)
}

/// A certificate; none if it breaks the rules of RFC 5280.
pub(super) fn certificate(data: &[u8]) -> Option<Draft> {
    // OpenSSL's trusted certificates have its own data behind the certificate.
    let (certificate, _) = Certificate::from_der_partial(data).ok()?;
    let inner = certificate.tbs_certificate();
    let validity = inner.validity();
    let mut draft = Draft::new("certificate");
    draft.name = inner.subject().to_string();
    draft.not_after_unix = i64::try_from(validity.not_after.to_unix_duration().as_secs()).ok();
    draft.add("subject", draft.name.clone());
    draft.add("issuer", inner.issuer().to_string());
    draft.add("serial", hex(inner.serial_number().as_bytes()));
    draft.add("not_before", time(&validity.not_before));
    draft.add("not_after", time(&validity.not_after));
    draft.add("signature_algorithm", key::name_of(certificate.signature_algorithm().oid));
    draft.add("fingerprint_sha256", hex(&sha256(data)));
    add_key(&mut draft, inner.subject_public_key_info())?;
    add_extensions(&mut draft, inner.extensions().map_or(&[], |extensions| extensions.as_slice()));
    Some(draft)
}

/// A request for a certificate.
pub(super) fn request(data: &[u8]) -> Option<Draft> {
    let request = CertReq::from_der(data).ok()?;
    let mut draft = Draft::new("certificate request");
    draft.name = request.info.subject.to_string();
    draft.add("subject", draft.name.clone());
    draft.add("signature_algorithm", key::name_of(request.algorithm.oid));
    draft.add("fingerprint_sha256", hex(&sha256(data)));
    add_key(&mut draft, &request.info.public_key)?;
    let asked = request.info.attributes.iter().find(|attribute| attribute.oid == x509_cert::request::ExtensionReq::OID);
    let asked = asked.and_then(|attribute| attribute.values.get(0)).and_then(|any| any.decode_as::<Extensions>().ok());
    add_extensions(&mut draft, &asked.unwrap_or_default());
    Some(draft)
}

fn add_key(draft: &mut Draft, info: &SubjectPublicKeyInfoOwned) -> Option<()> {
    let spki = info.to_der().ok()?;
    key::describe(draft, &SubjectPublicKeyInfoRef::from_der(&spki).ok()?, &spki);
    Some(())
}

/// Those extensions that say what the certificate is for. A certificate is no authority's unless it says so.
fn add_extensions(draft: &mut Draft, extensions: &[Extension]) {
    let mut is_ca = false;
    for extension in extensions {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            BasicConstraints::OID => is_ca = BasicConstraints::from_der(value).is_ok_and(|basic| basic.ca),
            KeyUsage::OID => {
                let uses = KeyUsage::from_der(value).map(|usage| uses(&usage));
                draft.add_list("key_usage", uses.unwrap_or_else(|_| unread(value)));
            }
            ExtendedKeyUsage::OID => {
                let purposes = ExtendedKeyUsage::from_der(value).map(|usage| usage.0.into_iter().map(key::name_of));
                let purposes = purposes.map(Iterator::collect);
                draft.add_list("extended_key_usage", purposes.unwrap_or_else(|_| unread(value)));
            }
            SubjectAltName::OID => {
                let names = SubjectAltName::from_der(value).map(|names| names.0.iter().map(name).collect());
                draft.add_list("subject_alt_names", names.unwrap_or_else(|_| unread(value)));
            }
            _ => {}
        }
    }
    draft.fields.push(("is_ca".into(), Value::Bool(is_ca)));
}

fn uses(usage: &KeyUsage) -> Vec<String> {
    USES.iter().filter(|(flag, _)| usage.0.contains(*flag)).map(|(_, name)| (*name).to_string()).collect()
}

/// Stands for an extension that breaks the rules of its kind.
fn unread(value: &[u8]) -> Vec<String> {
    vec![format!("sha256 {}", hex(&sha256(value)))]
}

fn name(name: &GeneralName) -> String {
    match name {
        GeneralName::DnsName(name) => format!("DNS:{}", name.as_str()),
        GeneralName::Rfc822Name(name) => format!("email:{}", name.as_str()),
        GeneralName::UniformResourceIdentifier(name) => format!("URI:{}", name.as_str()),
        GeneralName::DirectoryName(name) => format!("directory:{name}"),
        GeneralName::RegisteredId(oid) => format!("id:{oid}"),
        GeneralName::IpAddress(address) => format!("IP:{}", ip(address.as_bytes())),
        GeneralName::OtherName(_) | GeneralName::EdiPartyName(_) => {
            format!("other:{}", name.to_der().map_or_else(|_| String::new(), |der| hex(&der)))
        }
    }
}

fn ip(address: &[u8]) -> String {
    if let Ok(address) = <[u8; 4]>::try_from(address) {
        Ipv4Addr::from(address).to_string()
    } else if let Ok(address) = <[u8; 16]>::try_from(address) {
        Ipv6Addr::from(address).to_string()
    } else {
        hex(address)
    }
}

/// RFC 3339 in UTC.
fn time(time: &Time) -> String {
    time.to_date_time().to_string()
}
