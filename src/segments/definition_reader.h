// From files and requests to definitions. One reader for both: a request's JSON becomes the same tree of
// nodes with JSON pointers ("#/where/all/1") for places, so every mistake is told the same way.
//
// All mistakes of a text are reported at once; a definition that comes back with errors reported is not to be
// used. Nothing here asks a server; see binding.h for what only the warehouse knows.
#pragma once

#include "config/yaml_reader.h"
#include "segments/definition.h"

#include <optional>
#include <string>
#include <string_view>

namespace tidemark::segments {

// A whole definition: `segment`, `entity`, `where`, ...
std::optional<Definition> read_definition(config::Reader reader, const config::YamlNode& node);

// Only a condition, as in `where`.
Node read_condition(config::Reader reader, const config::YamlNode& node);

// JSON as the tree the readers above read. Errors are reported at the JSON pointer, those of syntax at the
// offset.
// `${env:...}` and `${file:...}` are refused: over the network nobody may ask for them.
std::optional<config::YamlNode> parse_json(config::Report& report, std::string_view text);

// One tuple of the form (property_path, operator, value, data_type), all as texts: what `cdp.criteria` holds.
// The value of a list operator is a JSON list. `data_type`: string, number, boolean, date or array; empty:
// string.
struct FilterTuple {
  std::string property_path, operation, value, data_type;
};
std::optional<Node> read_filter(config::Report& report, const FilterTuple& filter, const Location& where);

}  // namespace tidemark::segments
