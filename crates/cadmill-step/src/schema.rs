//! The schema of a file and its application protocol.

use serde::{Deserialize, Serialize};

/// The contents of `FILE_SCHEMA`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StepSchema {
    /// The entries, including object identifiers.
    pub names: Vec<String>,
    /// The protocol of the first entry that is recognised.
    pub protocol: Option<ApplicationProtocol>,
}

impl StepSchema {
    pub(crate) fn new(names: Vec<String>) -> Self {
        let protocol = names.iter().find_map(|name| ApplicationProtocol::of(name));
        Self { names, protocol }
    }
}

macro_rules! protocols {
    ($($(#[$doc:meta])* $variant:ident = $label:literal;)+) => {
        /// An application protocol of ISO 10303, or another standard that uses its exchange
        /// structure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ApplicationProtocol {
            $($(#[$doc])* #[serde(rename = $label)] $variant,)+
        }

        impl ApplicationProtocol {
            /// The common name of the protocol.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

protocols! {
    /// Explicit draughting.
    Ap201 = "AP201";
    /// Associative draughting.
    Ap202 = "AP202";
    /// Configuration controlled design.
    Ap203 = "AP203";
    /// Configuration controlled design, second edition, with colours.
    Ap203Edition2 = "AP203 ed2";
    /// Sheet metal dies.
    Ap207 = "AP207";
    /// Analysis.
    Ap209 = "AP209";
    /// Electronic assemblies.
    Ap210 = "AP210";
    /// Electrotechnical design and installation.
    Ap212 = "AP212";
    /// Automotive design.
    Ap214 = "AP214";
    /// Mechanical features for machining.
    Ap224 = "AP224";
    /// Furniture.
    Ap236 = "AP236";
    /// Numerical control.
    Ap238 = "AP238";
    /// Model based engineering.
    Ap242 = "AP242";
    /// Industry Foundation Classes for buildings; their geometry is not supported.
    Ifc = "IFC";
}

impl ApplicationProtocol {
    /// Returns the protocol of a `FILE_SCHEMA` entry, by its name or else by its object identifier.
    fn of(entry: &str) -> Option<Self> {
        let upper = entry.trim().to_ascii_uppercase();
        let end = upper.find(|c: char| c == '{' || c.is_whitespace());
        let name = &upper[..end.unwrap_or(upper.len())];
        let known = match name {
            "CONFIG_CONTROL_DESIGN" => Some(Self::Ap203),
            "AUTOMOTIVE_DESIGN" | "AUTOMOTIVE_DESIGN_CC1" | "AUTOMOTIVE_DESIGN_CC2" => {
                Some(Self::Ap214)
            }
            "EXPLICIT_DRAUGHTING" => Some(Self::Ap201),
            "ASSOCIATIVE_DRAUGHTING" => Some(Self::Ap202),
            "STRUCTURAL_ANALYSIS_DESIGN" => Some(Self::Ap209),
            "ELECTROTECHNICAL_DESIGN" => Some(Self::Ap212),
            "FEATURE_BASED_PROCESS_PLANNING" => Some(Self::Ap224),
            "INTEGRATED_CNC_SCHEMA" => Some(Self::Ap238),
            _ => None,
        };
        known
            .or_else(|| Self::by_prefix(name))
            .or_else(|| Self::by_identifier(&upper))
    }

    fn by_prefix(name: &str) -> Option<Self> {
        if name.starts_with("IFC") {
            return Some(Self::Ifc);
        }
        let digits = name.strip_prefix("AP")?.get(..3)?;
        match digits {
            "203" => Some(Self::Ap203Edition2),
            other => Self::by_number(other),
        }
    }

    /// Reads `{ 1 0 10303 214 … }`. The number after 10303 is that of the part, plus 200 for the
    /// modular edition.
    fn by_identifier(entry: &str) -> Option<Self> {
        let (_, identifier) = entry.split_once('{')?;
        let mut numbers = identifier.split_whitespace();
        numbers.find(|number| *number == "10303")?;
        match numbers.next()? {
            "403" => Some(Self::Ap203Edition2),
            "409" => Some(Self::Ap209),
            "410" => Some(Self::Ap210),
            "442" => Some(Self::Ap242),
            other => Self::by_number(other),
        }
    }

    fn by_number(number: &str) -> Option<Self> {
        Some(match number {
            "201" => Self::Ap201,
            "202" => Self::Ap202,
            "203" => Self::Ap203,
            "207" => Self::Ap207,
            "209" => Self::Ap209,
            "210" => Self::Ap210,
            "212" => Self::Ap212,
            "214" => Self::Ap214,
            "224" => Self::Ap224,
            "236" => Self::Ap236,
            "238" => Self::Ap238,
            "242" => Self::Ap242,
            _ => return None,
        })
    }
}

impl std::fmt::Display for ApplicationProtocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entry: &str, expected: Option<&str>) {
        let protocol = ApplicationProtocol::of(entry);
        assert_eq!(protocol.map(ApplicationProtocol::as_str), expected);
    }

    #[test]
    fn protocols_are_recognised() {
        check("AUTOMOTIVE_DESIGN { 1 0 10303 214 1 1 1 1 }", Some("AP214"));
        check("AUTOMOTIVE_DESIGN", Some("AP214"));
        check("CONFIG_CONTROL_DESIGN", Some("AP203"));
        check(
            "AP203_CONFIGURATION_CONTROLLED_3D_DESIGN_OF_MECHANICAL_PARTS_AND_ASSEMBLIES_MIM_LF",
            Some("AP203 ed2"),
        );
        check(
            "AP242_MANAGED_MODEL_BASED_3D_ENGINEERING_MIM_LF{ 1 0 10303 442 3 1 4 }",
            Some("AP242"),
        );
        check("something { 1 0 10303 442 1 1 4 }", Some("AP242"));
        check("IFC4X3_ADD2", Some("IFC"));
        check("APÄ03", None);
        check("", None);
    }
}
