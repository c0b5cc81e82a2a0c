#include "config/loading.h"
#include "config/sql_file.h"

#include <fmt/format.h>

namespace tidemark::config {
namespace {

const std::vector<std::string> reserved_databases = {"tidemark",           "system", "information_schema",
                                                     "INFORMATION_SCHEMA", "bronze", "live"};

bool read_name(MappingReader& mapping, DictionaryFile& dictionary) {
  std::string name = mapping.required_text("dictionary");
  if (name.empty()) return false;
  size_t dot = name.find('.');
  if (dot == std::string::npos) {
    mapping.error("dictionary", fmt::format("`{}` has no database", name),
                  "Write database.name: geo.countries");
    return false;
  }
  dictionary.database = name.substr(0, dot);
  dictionary.name = name.substr(dot + 1);
  Report& report = mapping.reader().report;
  if (!check_identifier(report, dictionary.where, "a database", dictionary.database) ||
      !check_identifier(report, dictionary.where, "a dictionary", dictionary.name))
    return false;
  if (std::find(reserved_databases.begin(), reserved_databases.end(), dictionary.database) !=
      reserved_databases.end())
    mapping.error("dictionary", fmt::format("the database `{}` is not for dictionaries", dictionary.database),
                  "Use another one, such as that of the models that read it.");
  return true;
}

void read_postgres(MappingReader& mapping, DictionaryFile& dictionary) {
  const YamlNode* node = mapping.child("postgres");
  if (node == nullptr) return;
  MappingReader postgres(mapping.reader(), *node, "`postgres`");
  dictionary.source = postgres.required_text("source");
  dictionary.table = postgres.required_text("table");
  postgres.finish();
}

}  // namespace

void load_dictionary(Reader reader, const std::filesystem::path& file, Project& project) {
  auto text = reader.report.read(file);
  if (!text) return;
  auto node = parse_yaml(reader.report, file, *text);
  if (!node) return;
  MappingReader mapping(reader, *node, "a dictionary");
  DictionaryFile dictionary;
  dictionary.file = file;
  dictionary.where = {file, mapping.where("dictionary").line, mapping.where("dictionary").column};
  bool named = read_name(mapping, dictionary);
  dictionary.over = mapping.text("over");
  read_postgres(mapping, dictionary);
  bool live = mapping.has("postgres");
  if (live == mapping.has("over"))
    reader.report.error(
        dictionary.where,
        live ? "`over` and `postgres` are two places to read from" : "the dictionary has nothing to read",
        "Give one of them: over: bronze.<table>, or postgres: {source: ..., table: ...}");
  if (mapping.has("over") && !dictionary.over.empty() && dictionary.over.find('.') == std::string::npos)
    mapping.error("over", fmt::format("`{}` has no database", dictionary.over),
                  fmt::format("Write bronze.{} or the full name of a model.", dictionary.over));
  mapping.required_child("key");
  dictionary.key = mapping.texts("key");
  dictionary.attributes = mapping.texts("attributes");
  for (const std::string& attribute : dictionary.attributes)
    if (std::find(dictionary.key.begin(), dictionary.key.end(), attribute) != dictionary.key.end())
      mapping.error("attributes", fmt::format("`{}` is part of the key", attribute), "Leave it out here.");
  const std::vector<std::pair<std::string, std::string>> layouts = {{"hashed", "hashed"},
                                                                    {"flat", "flat"},
                                                                    {"sparse_hashed", "sparse_hashed"},
                                                                    {"hashed_array", "hashed_array"}};
  dictionary.layout = mapping.choice<std::string>("layout", layouts, "");
  if (dictionary.layout == "flat" && dictionary.key.size() > 1)
    mapping.error("layout", "`flat` is an array indexed by one number, and the key has several columns",
                  "Leave `layout` out.");
  auto lifetime = mapping.duration_seconds("lifetime");
  if (lifetime) dictionary.lifetime_seconds = *lifetime;
  if (lifetime && !live)
    mapping.error("lifetime",
                  "`lifetime` is for live tables; this dictionary is reloaded by each cut that touches it",
                  "Leave it out.");
  if (lifetime && *lifetime == 0) mapping.error("lifetime", "`lifetime` must be at least 1s");
  mapping.finish();
  if (named) project.dictionaries.push_back(std::move(dictionary));
}

}  // namespace tidemark::config
