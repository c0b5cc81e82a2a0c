// The loader's part for `kafka` in tidemark.yaml.
#pragma once

#include "config/kafka_output.h"
#include "config/yaml_reader.h"

#include <string>

namespace tidemark::config {

// `node`: the value of `kafka`; `project`: the default prefix. Mistakes go to the report.
KafkaOutput read_kafka_output(Reader reader, const YamlNode& node, const std::string& project);

}  // namespace tidemark::config
