#include "profiles/redaction_files.h"

#include "config/report.h"
#include "config/sql_file.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::profiles {
namespace {

using std::filesystem::path;

const std::vector<std::string> header_keys = {"table", "description", "when"};

class Loader {
 public:
  Loader(const config::Project& project, const std::vector<std::string>& webhook_tables)
      : project_(project), webhook_tables_(webhook_tables), report_(project.root) {}

  RedactionFiles load() {
    std::vector<path> files;
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(project_.root / "redactions", failure), end;
         !failure && entry != end; entry.increment(failure)) {
      path name = entry->path().filename();
      if (name.extension() == ".sql" && !name.string().starts_with('.'))
        files.push_back(path("redactions") / name);
    }
    std::sort(files.begin(), files.end());
    RedactionFiles loaded;
    for (const path& file : files)
      if (auto text = report_.read(file)) loaded.redactions.push_back(read(file, *text));
    loaded.errors = report_.take_errors();
    return loaded;
  }

 private:
  Redaction read(const path& file, const std::string& text) {
    Redaction redaction;
    redaction.name = file.stem().string();
    redaction.where = {file};
    config::SqlFile parsed = config::parse_sql_file(report_, file, text);
    for (const auto& entry : parsed.header) {
      if (entry.key == "table") {
        redaction.table = entry.value;
        redaction.where = entry.value_where;
      } else if (entry.key == "description") {
        redaction.description = entry.value;
      } else if (entry.key == "when") {
        redaction.when = entry.value;
      } else {
        report_.error(entry.key_where,
                      fmt::format("unknown key `{}` in a redaction's header{}", entry.key,
                                  config::did_you_mean(entry.key, header_keys)),
                      "Known: `table: bronze.<table>`, `description: ...`, `when: SELECT ...`.");
      }
    }
    for (const auto& line : parsed.parameters)
      report_.error(line.where, "a redaction has no parameters", "Parameters belong to endpoints/*.sql.");
    for (const auto& placeholder : parsed.placeholders)
      report_.error(placeholder.where, "a redaction has no parameters",
                    "Parameters belong to endpoints/*.sql.");
    check_table(redaction);
    redaction.sql = std::move(parsed.sql);
    return redaction;
  }

  void check_table(const Redaction& redaction) {
    std::vector<std::string> known;
    for (const auto& name : webhook_tables_) known.push_back("bronze." + name);
    for (const auto& inserted : project_.insert_tables)
      if (!inserted.key.empty()) known.push_back(inserted.full_name());
    if (std::find(known.begin(), known.end(), redaction.table) != known.end()) return;
    if (redaction.table.empty())
      report_.error(redaction.where, "the redaction does not say whose rows it rewrites",
                    "Add a header line: -- table: bronze.shopify_webhooks");
    else
      report_.error(redaction.where,
                    fmt::format("the rows of `{}` cannot be rewritten{}", redaction.table,
                                config::did_you_mean(redaction.table, known)),
                    "Name bronze.<table> of a source of webhooks, or a table with a key that people INSERT "
                    "into, as they call it. What mirrors a source is changed at the source.");
  }

  const config::Project& project_;
  const std::vector<std::string>& webhook_tables_;
  config::Report report_;
};

}  // namespace

const Redaction* RedactionFiles::find(const std::string& slug) const {
  for (const auto& one : redactions)
    if (one.slug() == slug) return &one;
  return nullptr;
}

RedactionFiles load_redactions(const config::Project& project,
                               const std::vector<std::string>& webhook_tables) {
  return Loader(project, webhook_tables).load();
}

}  // namespace tidemark::profiles
