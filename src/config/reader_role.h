// Who may read what (roles/<name>.yaml): models, columns and rows of them, for people and tools that are not
// to see the rest. docs/ROLES.md is its reference. Plain values, checked by the loader.
#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "config/diagnostic.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace tidemark::config {

struct ReaderRole {
  std::string name;                 // of the role, of its database and, with a password, of its account
  Secret password;                  // empty: no account, only the role
  std::vector<std::string> models;  // "analytics.orders", "analytics.*"
  std::map<std::string, std::vector<std::string>> columns;  // by model; not there: all
  std::map<std::string, std::string> rows;                  // by model: a condition in SQL
  Location where;
};

// Those of the project in `directory`, by file name. Errors: config, with all mistakes.
Result<std::vector<ReaderRole>> load_reader_roles(const std::filesystem::path& directory);
// The same with the mistakes apart. `offline`: variables need not be set.
std::vector<ReaderRole> load_reader_roles(const std::filesystem::path& directory, bool offline,
                                          std::vector<Diagnostic>& errors);

}  // namespace tidemark::config
