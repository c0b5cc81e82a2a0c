// One text for one meaning: a definition as JSON with everything that does not matter taken out (order of
// conditions and of values, spelling of numbers and durations, names of the file and the segment). Two
// definitions with the same canonical text have the same members at every instant; its fingerprint is the
// segment's version.
//
// Nested `all` in `all` and `any` in `any` are flattened, double negation and groups of one disappear. Not
// every equivalence is found; a difference costs a new version, whose diff is then empty.
//
// Pure functions.
#pragma once

#include "segments/definition.h"

#include <string>
#include <string_view>

namespace tidemark::segments {

// The number in plain digits ("-12.5", no exponent, no zeros that say nothing, no plus sign), cut to
// limits::number_scale digits behind the point. Nothing: not a number, or too large.
std::optional<std::string> canonical_number(std::string_view text);

// Flattens and sorts; what the readers apply before anyone sees the tree.
Node simplified(Node node);

std::string canonical_text(const Node& node);
// Entity, key, event tables, time zone and condition: what decides who is a member.
std::string canonical_text(const Definition& definition);
// 16 hexadecimal digits of the SHA-256 of the canonical text.
std::string fingerprint(const Definition& definition);

}  // namespace tidemark::segments
