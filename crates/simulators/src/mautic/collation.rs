//! How Mautic's database compares text (`utf8mb4_unicode_ci`): letter case, accents and blank space at the end make no difference.

/// Letters with the letters, marks left out, that they are compared as.
const LETTERS: [(&str, &str); 27] = [
    ("àáâãäåāăą", "a"),
    ("çćĉċč", "c"),
    ("ďḑ", "d"),
    ("èéêëēĕėęě", "e"),
    ("ĝğġģ", "g"),
    ("ĥ", "h"),
    ("ìíîïĩīĭį", "i"),
    ("ĵ", "j"),
    ("ķ", "k"),
    ("ĺļľ", "l"),
    ("ñńņň", "n"),
    ("òóôõöōŏő", "o"),
    ("ŕŗř", "r"),
    ("śŝşšș", "s"),
    ("ţťț", "t"),
    ("ùúûüũūŭůűų", "u"),
    ("ŵ", "w"),
    ("ýÿŷ", "y"),
    ("źżž", "z"),
    ("ß", "ss"),
    ("æ", "ae"),
    ("œ", "oe"),
    ("ς", "σ"),
    ("άὰᾶ", "α"),
    ("έ", "ε"),
    ("ίϊ", "ι"),
    ("ό", "ο"),
];

/// A text as it is compared.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.trim_end().to_lowercase().chars().filter(|letter| !('\u{300}'..='\u{36f}').contains(letter)) {
        match LETTERS.iter().find(|(letters, _)| letters.contains(letter)) {
            Some((_, plain)) => folded.push_str(plain),
            None => folded.push(letter),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_ligatures_make_no_other_text() {
        for (one, other) in [("Café ", "CAFE"), ("Große Söhne", "GROSSE SOHNE"), ("Škoda", "s\u{30c}koda")] {
            assert_eq!(folded(one), folded(other));
        }
        assert_ne!(folded("Dot"), folded("Døt"));
    }
}
