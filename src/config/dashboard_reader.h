// Reading dashboards is two files: the page with its time and filters (load_dashboard.cc), and a tile
// (load_tile.cc), which knows the keys of every chart.
#pragma once

#include "config/dashboard.h"
#include "config/yaml_reader.h"

namespace tidemark::config {

// One item of `tiles`. Whether its parameters exist is seen by who knows the dashboard.
Tile read_tile(Reader reader, const YamlNode& node);

}  // namespace tidemark::config
