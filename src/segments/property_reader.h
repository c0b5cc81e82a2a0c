// Reads conditions over properties: operators, literals, paths, moments. Used by definition_reader.cc; the
// language is in docs/SEGMENTS.md.
#pragma once

#include "config/yaml_reader.h"
#include "segments/definition.h"

#include <string>
#include <vector>

namespace tidemark::segments {

// "address.city", or a list of steps for names with dots. Empty when wrong, which is reported.
Path read_path(config::Reader reader, const config::YamlNode& node);
std::optional<Literal> read_literal(config::Reader reader, const config::YamlNode& node);
std::optional<Moment> read_moment(config::Reader reader, const config::YamlNode& node);
std::optional<Moment> parse_moment(std::string_view text);
std::optional<int64_t> read_duration(config::Reader reader, const config::YamlNode& node);
// eq, gt, gte, lt, lte, between of a number; `negated` when it was `neq`.
NumberRange read_number_range(config::MappingReader& mapping, bool& negated);
// The same for counts. A plain number is `eq`.
CountRange read_count_range(config::Reader reader, const config::YamlNode& node, bool& negated);

// The operators that stand in `mapping` beside `property`; all of them must hold. Reports when there is none.
std::vector<Node> read_operators(config::MappingReader& mapping, const Path& path);

// `where` of events, items and related rows: {plan: {in: [pro, team]}, amount: {gte: 10}, status: paid}.
// `read_other`: reads a list's item that is not such a mapping (trees, related rows).
std::vector<Node> read_property_map(config::Reader reader, const config::YamlNode& node);

}  // namespace tidemark::segments
