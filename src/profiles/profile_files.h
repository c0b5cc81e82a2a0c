// The folder profiles/ of a project: every file a definition. Offline; mistakes have their places.
#pragma once

#include "config/yaml_reader.h"
#include "profiles/profile_definition.h"

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::profiles {

struct ProfileFiles {
  std::vector<Definition> definitions;  // by file name
  std::vector<config::Diagnostic> errors;

  const Definition* find(const std::string& name) const;
};

// `offline`: variables that are not set are passed over.
ProfileFiles load_profiles(const std::filesystem::path& project, bool offline);

// One file's content. Nothing: it is too broken to go on; mistakes are in the reader's report.
std::optional<Definition> read_profiles(config::Reader reader, const config::YamlNode& node);

}  // namespace tidemark::profiles
