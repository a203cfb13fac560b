//! BODY and BODYSTRUCTURE: the tree of parts in the form of IMAP.

use imap_types::body::{
    BasicFields, Body, BodyStructure, Disposition, Language, Location, MultiPartExtensionData,
    SinglePartExtensionData, SpecificFields,
};
use imap_types::core::{IString, NString, Vec1};
use memchr::memchr_iter;

use super::envelope::{encoded_words, envelope, istring, nstring};
use super::field::{Field, FieldParser, field};
use super::part::{Kind, MimePart, MimeType, encoding};

/// The structure of a message: BODYSTRUCTURE if `is_extended`, else BODY.
pub(crate) fn structure(
    message: &[u8],
    part: &MimePart,
    parser: &FieldParser,
    is_extended: bool,
) -> BodyStructure<'static> {
    let writer = Writer {
        message,
        parser,
        is_extended,
    };
    writer.part(part)
}

struct Writer<'a> {
    message: &'a [u8],
    parser: &'a FieldParser,
    is_extended: bool,
}

type Parameters = Vec<(IString<'static>, IString<'static>)>;

impl<'a> Writer<'a> {
    fn part(&self, part: &MimePart) -> BodyStructure<'static> {
        if let Kind::Multipart(parts) = &part.kind {
            // The recursion, here and for nested messages, is bounded, because `parse` limits the
            // depth.
            let bodies: Vec<_> = parts.iter().map(|part| self.part(part)).collect();
            return BodyStructure::Multi {
                bodies: Vec1::try_from(bodies).expect("a multipart has a part"),
                subtype: string(&part.content_type.sub),
                extension_data: self.is_extended.then(|| MultiPartExtensionData {
                    parameter_list: parameters(&part.content_type),
                    tail: Some(self.disposition(part)),
                }),
            };
        }
        BodyStructure::Single {
            body: Body {
                basic: self.basic(part),
                specific: self.specific(part),
            },
            extension_data: self.is_extended.then(|| SinglePartExtensionData {
                md5: self.value(part, b"content-md5"),
                tail: Some(self.disposition(part)),
            }),
        }
    }

    fn basic(&self, part: &MimePart) -> BasicFields<'static> {
        let encoding = encoding(self.header(part));
        BasicFields {
            parameter_list: parameters(&part.content_type),
            id: self.value(part, b"content-id"),
            description: self.value(part, b"content-description"),
            content_transfer_encoding: match encoding.is_empty() {
                // The default (RFC 2045, section 6.1), because IMAP does not allow NIL here.
                true => string("7bit"),
                false => istring(encoding),
            },
            size: number(part.body.len()),
        }
    }

    fn specific(&self, part: &MimePart) -> SpecificFields<'static> {
        let MimeType { main, sub, .. } = &part.content_type;
        match &part.kind {
            Kind::Message(inner) => SpecificFields::Message {
                envelope: Box::new(envelope(self.header(inner), self.parser)),
                body_structure: Box::new(self.part(inner)),
                number_of_lines: self.lines(part),
            },
            _ if main == "text" => SpecificFields::Text {
                subtype: string(sub),
                number_of_lines: self.lines(part),
            },
            _ => SpecificFields::Basic {
                r#type: string(main),
                subtype: string(sub),
            },
        }
    }

    fn disposition(&self, part: &MimePart) -> Disposition<'static> {
        let value = self.parser.first(self.header(part), b"content-disposition");
        let parsed = value.as_ref().and_then(|value| value.as_content_type());
        let disposition = parsed.map(MimeType::from);
        let language = self.field(part, b"content-language");
        let language = language.map(|field| field.value()).unwrap_or_default();
        let languages = language.split(|&byte| byte == b',');
        let languages = languages
            .map(<[u8]>::trim_ascii)
            .filter(|tag| !tag.is_empty());
        Disposition {
            disposition: disposition.map(|it| (string(&it.main), parameters(&it))),
            // These fields have a fixed order, in which each requires those before it (RFC 3501,
            // section 7.4.2).
            tail: Some(Language {
                language: languages.map(|tag| istring(tag.to_vec())).collect(),
                tail: Some(Location {
                    location: self.value(part, b"content-location"),
                    extensions: Vec::new(),
                }),
            }),
        }
    }

    fn header(&self, part: &MimePart) -> &'a [u8] {
        &self.message[part.header.clone()]
    }

    fn field(&self, part: &MimePart, name: &[u8]) -> Option<Field<'a>> {
        field(self.header(part), name)
    }

    fn value(&self, part: &MimePart, name: &[u8]) -> NString<'static> {
        nstring(self.field(part, name).map(|field| field.value()))
    }

    fn lines(&self, part: &MimePart) -> u32 {
        number(memchr_iter(b'\n', &self.message[part.body.clone()]).count())
    }
}

fn parameters(content_type: &MimeType) -> Parameters {
    let parameters = content_type.parameters.iter();
    let pair = |(name, value): &(String, String)| (string(name), string(value));
    parameters.map(pair).collect()
}

fn string(text: &str) -> IString<'static> {
    istring(encoded_words(text).into_bytes())
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
