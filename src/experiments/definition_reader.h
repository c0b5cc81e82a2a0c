// From YAML to definitions: metrics/*.yaml and experiments/*.yaml. Every mistake of a file is reported at its
// place in one pass; what comes back with errors reported is not to be used. Offline: whether tables, columns
// and expressions mean anything is asked of the warehouse elsewhere (experiment_check.h).
#pragma once

#include "config/yaml_reader.h"
#include "experiments/definition.h"

#include <optional>

namespace tidemark::experiments {

std::optional<Metric> read_metric(config::Reader reader, const config::YamlNode& node);
std::optional<Experiment> read_experiment(config::Reader reader, const config::YamlNode& node);

// An expression that goes into a query between brackets: it must end what it begins, and be one. Reports what
// is wrong.
void check_expression(config::Reader reader, const Location& where, const char* what,
                      const std::string& text);
// Letters, digits and _, beginning with a letter, at most 64: names that become parts of tables' names.
bool is_name(std::string_view text);

}  // namespace tidemark::experiments
