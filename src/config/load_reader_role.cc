#include "config/loading.h"
#include "config/reader_role_reader.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::config {
namespace {

// A password that is guessed lets anybody read.
constexpr size_t password_bytes_min = 12;
// Databases and accounts that are there already.
const std::vector<std::string> taken_names = {"bronze", "tidemark", "system", "default",  "live",    "reader",
                                              "admin",  "staging",  "tmp",    "segments", "profiles"};

bool is_word(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
             std::string_view::npos;
}

// "database.model", or with `*` for all of a database.
bool is_model(std::string_view text, bool pattern) {
  size_t dot = text.find('.');
  if (dot == std::string_view::npos || !is_word(text.substr(0, dot))) return false;
  return is_word(text.substr(dot + 1)) || (pattern && text.substr(dot + 1) == "*");
}

void check_model(MappingReader& mapping, const std::string& key, const std::string& model, bool pattern) {
  if (!is_model(model, pattern))
    mapping.error(key, fmt::format("`{}` is no model", model),
                  pattern ? "For example analytics.orders, or analytics.* for all of a database."
                          : "For example analytics.orders.");
  else if (model.starts_with("bronze.") || model.starts_with("tidemark.") || model.starts_with("system."))
    mapping.error(key, fmt::format("`{}` is not for readers", model),
                  "A role reads models; make one of what is to be seen.");
}

// The pairs of a mapping by model.
const std::vector<YamlNode::Pair>& pairs_of(MappingReader& mapping, const std::string& key) {
  static const std::vector<YamlNode::Pair> none;
  const YamlNode* node = mapping.child(key);
  if (node == nullptr) return none;
  if (node->kind == YamlNode::Kind::mapping) return node->pairs;
  mapping.error(key, fmt::format("`{}` takes a mapping by model", key));
  return none;
}

}  // namespace

void load_reader_role(Reader reader, const std::filesystem::path& file, std::vector<ReaderRole>& roles) {
  auto text = reader.report.read(file);
  if (!text) return;
  auto node = parse_yaml(reader.report, file, *text);
  if (!node) return;
  MappingReader mapping(reader, *node, "a role");
  ReaderRole role;
  role.name = mapping.required_text("role");
  role.where = mapping.where("role");
  if (!role.name.empty() && check_identifier(reader.report, role.where, "a role", role.name) &&
      std::find(taken_names.begin(), taken_names.end(), role.name) != taken_names.end())
    reader.report.error(role.where,
                        fmt::format("`{}` is the name of a database or an account already", role.name),
                        "Give the role another name.");
  for (const ReaderRole& other : roles)
    if (other.name == role.name)
      reader.report.error(
          role.where,
          fmt::format("the role `{}` is declared already in {}", role.name, other.where.describe()),
          "Give one of them another name.");
  // It may be empty: then there is no account.
  if (const YamlNode* password = mapping.child("password"))
    role.password = Secret(mapping.item_text(*password, "password").value_or(""));
  if (!role.password.empty() && role.password.reveal().size() < password_bytes_min)
    mapping.error("password", fmt::format("a password has at least {} characters", password_bytes_min),
                  "openssl rand -hex 16 makes one.");
  mapping.required_child("models");
  role.models = mapping.texts("models");
  for (const auto& model : role.models) check_model(mapping, "models", model, true);
  for (const auto& pair : pairs_of(mapping, "columns")) {
    check_model(mapping, "columns", pair.key, false);
    auto& columns = role.columns[pair.key];
    for (const YamlNode& item : pair.value.items)
      if (auto column = mapping.item_text(item, "columns")) columns.push_back(*column);
    if (columns.empty())
      reader.report.error(pair.value.where, "`columns` takes a list by model",
                          "columns: { analytics.orders: [id] }");
  }
  for (const auto& pair : pairs_of(mapping, "rows")) {
    check_model(mapping, "rows", pair.key, false);
    auto condition = mapping.item_text(pair.value, "rows");
    if (condition && !condition->empty()) role.rows[pair.key] = *condition;
  }
  mapping.finish();
  roles.push_back(std::move(role));
}

std::vector<ReaderRole> load_reader_roles(const std::filesystem::path& directory, bool offline,
                                          std::vector<Diagnostic>& errors) {
  Report report(directory);
  Environment environment(offline);
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(directory / "roles", failure), end; !failure && entry != end;
       entry.increment(failure)) {
    std::string name = entry->path().filename().string(), extension = entry->path().extension().string();
    if ((extension == ".yaml" || extension == ".yml") && !name.starts_with('.'))
      files.push_back(std::filesystem::path("roles") / name);
  }
  std::sort(files.begin(), files.end());
  std::vector<ReaderRole> roles;
  for (const auto& file : files) load_reader_role({report, environment}, file, roles);
  auto found = report.take_errors();
  errors.insert(errors.end(), found.begin(), found.end());
  return roles;
}

Result<std::vector<ReaderRole>> load_reader_roles(const std::filesystem::path& directory) {
  std::vector<Diagnostic> errors;
  auto roles = load_reader_roles(directory, false, errors);
  if (!errors.empty()) return fail(ErrorKind::config, render(errors));
  return roles;
}

}  // namespace tidemark::config
