//! Keys, notes and checkpoints, against vectors of others and against tampering.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use trailkeeper_merkle::{
    Checkpoint, EMPTY_ROOT, MerkleError, SignedNote, SigningKey, TreeSize, VerifierKey, hash_leaf,
};

// The keys and the note of the documentation of Go's `sumdb/note`.
const GO_SIGNING_KEY: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_VERIFIER_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const GO_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

// The example of C2SP `tlog-checkpoint`; its key is not known.
const C2SP_TEXT: &str =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const C2SP_SIGNATURE: &str = "\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

fn key() -> SigningKey {
    SigningKey::from_seed("example.org/a", [1; 32]).unwrap()
}

fn open(note: &str, key: &SigningKey) -> Result<SignedNote, MerkleError> {
    SignedNote::open(note.as_bytes(), &key.verifier_key())
}

fn not_signed(key: &SigningKey) -> MerkleError {
    MerkleError::NotSigned { name: key.name().into(), id: key.id() }
}

fn bad_signature(key: &SigningKey) -> MerkleError {
    MerkleError::BadSignature { name: key.name().into(), id: key.id() }
}

fn is_malformed(result: &Result<SignedNote, MerkleError>) -> bool {
    matches!(result, Err(MerkleError::MalformedNote { .. }))
}

#[test]
fn note_of_go_opens_and_is_signed_alike() {
    let verifier: VerifierKey = GO_VERIFIER_KEY.parse().unwrap();
    let note = format!("{GO_TEXT}\n{GO_SIGNATURE}");
    assert_eq!(SignedNote::open(note.as_bytes(), &verifier).unwrap().text(), GO_TEXT);

    let signer: SigningKey = GO_SIGNING_KEY.parse().unwrap();
    assert_eq!(signer.verifier_key(), verifier);
    assert_eq!(SignedNote::sign(GO_TEXT, &signer).unwrap().to_string(), note);
    assert_eq!(signer.to_secret_text(), GO_SIGNING_KEY);
    assert_eq!(verifier.to_string(), GO_VERIFIER_KEY);
}

#[test]
fn checkpoint_of_c2sp_is_read_and_written_alike() {
    let checkpoint: Checkpoint = C2SP_TEXT.parse().unwrap();
    assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size(), TreeSize::new(20_852_163));
    assert_eq!(checkpoint.root().to_string(), "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=");
    assert!(checkpoint.extensions().is_empty());
    assert_eq!(checkpoint.to_string(), C2SP_TEXT);
    let note = format!("{C2SP_TEXT}\n{C2SP_SIGNATURE}");
    assert_eq!(open(&note, &key()), Err(not_signed(&key())), "well formed, by another");
}

#[test]
fn secret_is_not_in_debug_output() {
    let key = key();
    let secret = key.to_secret_text();
    let (_, secret) = secret.rsplit_once('+').unwrap();
    let shown = format!("{key:?} {key:#?}");
    assert!(shown.contains("example.org/a"));
    assert!(!shown.contains(secret));
    assert!(!shown.contains("1, 1"));
}

#[test]
fn signatures_by_others_are_kept_and_not_believed() {
    let (ours, theirs) = (key(), SigningKey::from_seed("example.org/b", [2; 32]).unwrap());
    let same_name = SigningKey::from_seed("example.org/a", [3; 32]).unwrap();
    let note = SignedNote::sign("text\n", &ours).unwrap().to_string();
    let unknown = "\u{2014} example.org/witness AAAAAP8=\n";
    let note = format!("{note}{unknown}");

    let opened = open(&note, &ours).unwrap();
    assert_eq!(opened.signatures().len(), 2);
    assert_eq!(opened.signatures()[0].key_id(), ours.id());
    assert_eq!(opened.signatures()[1].name(), "example.org/witness");
    assert_eq!(opened.to_string(), note);
    for other in [theirs, same_name] {
        assert_eq!(open(&note, &other), Err(not_signed(&other)));
    }
}

#[test]
fn one_bad_signature_in_our_name_spoils_the_note() {
    let key = key();
    let [one, two] = ["one\n", "two\n"].map(|text| SignedNote::sign(text, &key).unwrap());
    let swapped = two.to_string().replace("two", "one");
    assert_eq!(open(&swapped, &key), Err(bad_signature(&key)));
    // A good line before or after it does not help.
    let line = |note: &SignedNote| note.signatures()[0].to_string();
    let (good, bad) = (line(&one), line(&two));
    assert!(open(&format!("one\n\n{good}\n{good}\n"), &key).is_ok());
    for lines in [format!("{good}\n{bad}\n"), format!("{bad}\n{good}\n")] {
        assert_eq!(open(&format!("one\n\n{lines}"), &key), Err(bad_signature(&key)));
    }
}

#[test]
fn each_byte_of_a_note_counts() {
    let key = key();
    let note = SignedNote::sign("one\n\ntwo\n", &key).unwrap().to_string();
    assert_eq!(open(&note, &key).unwrap().text(), "one\n\ntwo\n");
    for position in 0..note.len() {
        for bit in 0..8 {
            let mut bytes = note.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            assert!(SignedNote::open(&bytes, &key.verifier_key()).is_err(), "{position} {bit}");
        }
        assert!(SignedNote::open(&note.as_bytes()[..position], &key.verifier_key()).is_err());
    }
}

#[test]
fn what_is_no_note_is_malformed() {
    let key = key();
    let note = SignedNote::sign("text\n", &key).unwrap().to_string();
    let line = note.strip_prefix("text\n\n").unwrap();
    for bad in [
        String::new(),
        "\n".into(),
        "\n\n".into(),
        "text\n".into(),
        "text\n\n".into(),
        format!("text\n{line}"),
        format!("text\n\n\n{}", line.trim_end()),
        format!("text\n\n{line}\n"),
        format!("text\n\n{line}more\n"),
        format!("te\txt\n\n{line}"),
        format!("te\rxt\n\n{line}"),
        format!("\n{line}"),
        note.replace('\u{2014}', "-"),
        note.replace("example.org/a", "example org/a"),
        note.replace("example.org/a", "example+org/a"),
        note.replace("example.org/a", "example\u{a0}org/a"),
        note.replace("example.org/a", ""),
        "text\n\n\u{2014} name AAAAAA==\n".into(),
        "text\n\n\u{2014} name AAAA\n".into(),
        "text\n\n\u{2014} name AAAAAP9=\n".into(),
        "text\n\n\u{2014} name\n".into(),
        format!("{}\n\n{line}", "x".repeat(1 << 20)),
    ] {
        assert!(is_malformed(&open(&bad, &key)), "{bad:.60?}");
    }
    assert!(is_malformed(&SignedNote::open(b"te\xffxt\n\n", &key.verifier_key())));
    for text in ["", "text", "te\0xt\n", "te\rxt\n"] {
        assert!(is_malformed(&SignedNote::sign(text, &key)), "{text:?}");
    }
}

#[test]
fn text_with_empty_lines_at_its_end_is_kept() {
    let key = key();
    for text in ["\n", "\n\n", "text\n\n", "text\n\n\n"] {
        let note = SignedNote::sign(text, &key).unwrap().to_string();
        assert_eq!(open(&note, &key).unwrap().text(), text);
    }
}

#[test]
fn key_text_has_one_spelling() {
    let malformed = |text: &str| {
        assert!(
            matches!(text.parse::<VerifierKey>(), Err(MerkleError::MalformedKey { .. })),
            "{text:?}"
        );
        let text = format!("PRIVATE+KEY+{text}");
        assert!(
            matches!(text.parse::<SigningKey>(), Err(MerkleError::MalformedKey { .. })),
            "{text:?}"
        );
    };
    for (from, to) in [
        ("c74f20a3", "c74f20a4"),
        ("c74f20a3", "C74F20A3"),
        ("c74f20a3", "+74f20a3"),
        ("c74f20a3", ""),
        ("PeterNeumann", "Peter Neumann"),
        ("PeterNeumann", "Peter\nNeumann"),
        ("PeterNeumann", "Peter\u{1}Neumann"),
        ("PeterNeumann", ""),
        ("PeterNeumann", "PeterNeumanN"),
        ("+A", "+B"),
        ("+A", "A"),
    ] {
        malformed(&GO_VERIFIER_KEY.replacen(from, to, 1));
        malformed(&GO_SIGNING_KEY.replacen("PRIVATE+KEY+", "", 1).replacen(from, to, 1));
    }
    for text in ["", "+", "++", "a+b", "a+00000000+AQ==", "a+00000000+", "PRIVATE+KEY+"] {
        malformed(text);
    }
    malformed(&format!("{GO_VERIFIER_KEY}\n"));
    // A key under which many signatures verify any text: its id is right.
    let weak = "weak+8b94416d+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert!(weak.parse::<VerifierKey>().unwrap_err().to_string().contains("no point to trust"));
}

#[test]
fn name_that_no_signature_line_can_have_is_refused() {
    let verifier = GO_VERIFIER_KEY.parse::<VerifierKey>().unwrap().to_string();
    let (_, encoded) = verifier.rsplit_once('+').unwrap();
    let typed_key = STANDARD.decode(encoded).unwrap();
    for name in ["", "a b", "a\n", "a\u{1}b", "\u{2003}"] {
        let refused = |error: MerkleError| error.to_string().contains("the name is empty or has");
        assert!(refused(SigningKey::from_seed(name, [0; 32]).unwrap_err()), "{name:?}");
        // The id is the one of that name, so nothing else is wrong.
        let id = Sha256::digest([name.as_bytes(), b"\n", &typed_key].concat());
        let id = u32::from_be_bytes(*id.first_chunk().unwrap());
        let text = format!("{name}+{id:08x}+{encoded}");
        assert!(refused(text.parse::<VerifierKey>().unwrap_err()), "{name:?}");
    }
    assert!(SigningKey::from_seed("a+b", [0; 32]).is_err());
}

#[test]
fn checkpoint_text_has_one_spelling() {
    for (from, to) in [
        ("20852163", "020852163"),
        ("20852163", "+20852163"),
        ("20852163", "-1"),
        ("20852163", ""),
        ("20852163", "18446744073709551616"),
        ("20852163", "20852163 "),
        ("example", "exa\rmple"),
        ("example.com/behind-the-sofa", ""),
        ("2I=", "2J="),
        ("2I=", "2I"),
        ("2I=\n", "2I="),
        ("2I=\n", "2I=\n\n"),
        ("2I=\n", "2I=\n\nmore\n"),
        ("2I=\n", "2I=\nmo\tre\n"),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "CsUY"),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", ""),
    ] {
        let text = C2SP_TEXT.replacen(from, to, 1);
        assert!(
            matches!(text.parse::<Checkpoint>(), Err(MerkleError::MalformedCheckpoint { .. })),
            "{text:?}"
        );
    }
    let empty = format!("a\n0\n{EMPTY_ROOT}\nmore\nand more\n");
    let checkpoint: Checkpoint = empty.parse().unwrap();
    assert_eq!(checkpoint.size(), TreeSize::ZERO);
    assert_eq!(checkpoint.extensions(), ["more", "and more"]);
    assert_eq!(checkpoint.to_string(), empty);
}

#[test]
fn checkpoint_of_another_tree_is_refused() {
    let key = key();
    let other = Checkpoint::new("example.org/b", 1.into(), hash_leaf(b""), vec![]).unwrap();
    let refused =
        MerkleError::OtherOrigin { origin: "example.org/b".into(), name: "example.org/a".into() };
    assert_eq!(other.sign(&key), Err(refused.clone()));
    let note = SignedNote::sign(&other.to_string(), &key).unwrap().to_string();
    assert_eq!(Checkpoint::open(note.as_bytes(), &key.verifier_key()), Err(refused));
    let note = SignedNote::sign("no checkpoint\n", &key).unwrap().to_string();
    assert!(matches!(
        Checkpoint::open(note.as_bytes(), &key.verifier_key()),
        Err(MerkleError::MalformedCheckpoint { .. })
    ));
    for (origin, extension) in [("", "x"), ("a\nb", "x"), ("a", ""), ("a", "x\n")] {
        let extensions = vec![extension.to_owned()];
        assert!(Checkpoint::new(origin, 1.into(), EMPTY_ROOT, extensions).is_err());
    }
}

proptest! {
    #[test]
    fn keys_notes_and_checkpoints_come_back(
        seed: [u8; 32],
        name in "[a-z./\u{e9}-]{1,20}",
        size: u64,
        root: [u8; 32],
        extensions in prop::collection::vec("[ -~\u{e9}\u{2014}]{1,10}", 0..3),
    ) {
        let key = SigningKey::from_seed(&name, seed).unwrap();
        let again: SigningKey = key.to_secret_text().parse().unwrap();
        prop_assert_eq!(again.to_secret_text(), key.to_secret_text());
        let verifier: VerifierKey = key.verifier_key().to_string().parse().unwrap();
        prop_assert_eq!(&verifier, &again.verifier_key());

        let checkpoint = Checkpoint::new(name, size.into(), root.into(), extensions).unwrap();
        let note = checkpoint.sign(&key).unwrap();
        let bytes = note.to_string().into_bytes();
        prop_assert_eq!(SignedNote::open(&bytes, &verifier), Ok(note));
        prop_assert_eq!(Checkpoint::open(&bytes, &verifier), Ok(checkpoint));
    }
}
