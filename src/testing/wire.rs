//! What a bus sends.

use crate::percent;
use crate::store::secret_service::address;
use crate::store::secret_service::wire::{HEAD, Malformed, Message, Reader, length};
use crate::store::secret_service::writer::{Call, NO_REPLY, Writer};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use zeroize::Zeroizing;

// The answers that are read, and every kind of value in them.
const SIGNATURES: [&str; 14] =
    ["", "s", "o", "u", "v", "oo", "vo", "bv", "aoo", "aoao", "sss", "(oayays)", "a{o(oayays)}", "a{ss}(oayays)ubv"];

/// A message is read or refused, and no value in it reaches beyond it. What the library writes is read back.
pub fn message(bytes: &[u8]) {
    let parsed = Message::parse(Zeroizing::new(bytes.to_vec()));
    match (&parsed, bytes.first_chunk::<HEAD>()) {
        (Ok(_), Some(head)) => assert_eq!(length(head).ok(), Some(bytes.len())),
        (Ok(_), None) => panic!("a message is shorter than its head"),
        (Err(_), _) => {}
    }
    if let Ok(message) = parsed {
        for signature in SIGNATURES {
            if let Ok(mut body) = message.body(signature) {
                let _ = values(&mut body, signature.as_bytes());
            }
        }
    }
    written(bytes);
}

// Reads values of the types in a signature, to its end or to the first that is malformed.
fn values(reader: &mut Reader<'_>, mut signature: &[u8]) -> Result<(), Malformed> {
    while let Some((first, rest)) = signature.split_first() {
        signature = rest;
        match first {
            b's' => drop(reader.string()?),
            b'o' => {
                let path = reader.path()?;
                assert!(path == "/" || path.starts_with('/') && !path.ends_with('/') && !path.contains("//"));
            }
            b'u' => drop(reader.u32()?),
            b'b' => drop(reader.boolean()?),
            b'v' => reader.skip_variant()?,
            b'(' => reader.pad(8)?,
            b')' => {}
            _ if signature.starts_with(b"y") => {
                reader.bytestring()?;
                signature = &signature[1..];
            }
            _ if signature.starts_with(b"o") => {
                assert!(reader.array(4, 100, |each| each.path().map(drop))?.len() <= 100);
                signature = &signature[1..];
            }
            _ if signature.starts_with(b"{ss}") => {
                assert!(reader.dictionary(100)?.len() <= 100);
                signature = &signature[4..];
            }
            _ => {
                let inner = signature
                    .strip_prefix(b"{")
                    .and_then(|rest| rest.split_last())
                    .map_or(&b""[..], |(_, inner)| inner);
                reader.array(8, 100, |each| each.pad(8).and_then(|()| values(each, inner)))?;
                return Ok(());
            }
        }
    }
    Ok(())
}

// The bytes as a secret, and their text as attributes and path.
fn written(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    let number = bytes.len() as u32;
    let call = Call {
        destination: "org.freedesktop.secrets",
        path: "/org/freedesktop/secrets",
        interface: "org.freedesktop.Secret.Item",
        member: "SetSecret",
        signature: "a{ss}(oayays)ub",
        flags: NO_REPLY,
    };
    let mut writer = Writer::default();
    writer.call(7, &call, |writer| {
        writer.dictionary(&[("service", &text), (&text, "")]);
        writer.pad(8);
        writer.string("/session/1");
        writer.bytestring(&[]);
        writer.bytestring(bytes);
        writer.string("text/plain");
        writer.u32(number);
        writer.boolean(number % 2 == 1);
    });
    let message = Message::parse(Zeroizing::new(writer.bytes().to_vec())).map_err(|error| error.0);
    let message = message.expect("what is written is a message");
    let read = || {
        let mut body = message.body(call.signature)?;
        assert_eq!(body.dictionary(2)?, [("service", text.as_str()), (&text, "")]);
        body.pad(8)?;
        assert_eq!(body.path()?, "/session/1");
        assert_eq!(body.bytestring()?, b"");
        assert_eq!(body.bytestring()?, bytes);
        assert_eq!(body.string()?, "text/plain");
        assert_eq!((body.u32()?, body.boolean()?), (number, number % 2 == 1));
        Ok::<_, Malformed>(())
    };
    read().map_err(|error| error.0).expect("what is written is read back");
}

/// The addresses of a bus: those of Unix sockets in their order, and each path as it was escaped.
pub fn bus_address(bytes: &[u8]) {
    let found = address::candidates(Some(OsStr::from_bytes(bytes)), &[]).sockets;
    assert!(found.len() <= bytes.split(|byte| *byte == b';').count());
    assert!(found.iter().all(|candidate| !candidate.is_usual));
    for candidate in &found {
        let shown = candidate.address.to_string();
        assert!(shown.starts_with(['/', '@']), "{shown:?}");
    }
    let plain: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).take(100).collect();
    let named = format!("unix:guid=0,path=/{}", percent::encoded(&plain));
    let found = address::candidates(Some(OsStr::new(&named)), &[]).sockets;
    let shown: Vec<String> = found.iter().map(|candidate| candidate.address.to_string()).collect();
    assert_eq!(shown, [format!("/{}", String::from_utf8_lossy(&plain))]);
}
