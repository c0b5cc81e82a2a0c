#include "cli/reads_of_versions.h"

#include "config/alert_reader.h"
#include "config/destination_reader.h"
#include "config/loading.h"
#include "models/references.h"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <set>

namespace tidemark::cli {
namespace {

using config::Diagnostic;
using config::Location;

bool is_letter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// Whatever is wrong in the files was said when the project was loaded; variables need not be set.
struct Asked {
  explicit Asked(const config::Project& project) : root(project.root), report(root) {
    const config::Environment offline(true);
    config::Project scratch;
    scratch.root = root;
    scratch.warehouse = project.warehouse;
    for (const auto& file : config::yaml_files(root, "sources"))
      config::load_source({report, offline}, file, scratch, webhooks);
    for (const auto& file : config::yaml_files(root, "alerts"))
      config::load_alert({report, offline}, file, alerts);
  }
  std::filesystem::path root;
  config::Report report;
  std::vector<config::WebhookSource> webhooks;
  std::vector<config::Alert> alerts;
};

// Tables of which there are no versions: rows are only ever added.
std::set<std::string> declared_logs(const config::Project& project,
                                    const std::vector<config::WebhookSource>& webhooks) {
  std::set<std::string> logs;
  auto add_events = [&](const config::EventSource& source) {
    logs.insert(source.table);
    for (const auto& table : source.tables)
      if (table.key.empty()) logs.insert(table.table);
  };
  for (const auto& source : project.event_sources) add_events(source);
  for (const auto& source : webhooks) add_events(source.events);
  for (const auto& source : project.sources)
    for (const auto& options : source.options)
      if (options.append_only) logs.insert(options.table);
  for (const auto& source : project.kafka_sources)
    for (const auto& table : source.tables)
      if (table.append_only) logs.insert(table.table);
  for (const auto& table : project.insert_tables)
    if (table.key.empty()) logs.insert(table.mirrored_name());
  return logs;
}

class Finder {
 public:
  Finder(std::filesystem::path root, std::set<std::string> logs)
      : root_(std::move(root)), logs_(std::move(logs)) {}

  // `what`: "the tile `Revenue`". `where`: of it; the table's place is looked for from there on.
  void look(const std::string& what, const Location& where, std::string_view sql) {
    auto tokens = models::tokenize(sql);
    if (!tokens) return;  // ClickHouse will say it
    for (const auto& token : *tokens)
      if (token.identifier() && (token.name == "_version" || token.name == "_deleted")) return;
    std::set<std::string> told;
    for (const auto& reference : models::find_references(*tokens)) {
      if (reference.column || reference.final || reference.database != "bronze" ||
          logs_.contains(reference.table) || !told.insert(reference.table).second)
        continue;
      if (std::any_of(std::begin(faces), std::end(faces),
                      [&](std::string_view face) { return reference.table.ends_with(face); }))
        continue;
      add(what, place_of(where, reference.table), reference.name());
    }
  }

  std::vector<Diagnostic> take() {
    std::sort(found_.begin(), found_.end(), [](const Diagnostic& a, const Diagnostic& b) {
      return std::tuple(a.where.file, a.where.line, a.where.column) <
             std::tuple(b.where.file, b.where.line, b.where.column);
    });
    return std::move(found_);
  }

 private:
  static constexpr std::string_view faces[] = {"__current", "__changes", "__history"};

  void add(const std::string& what, Location where, const std::string& table) {
    std::string line(config::line_of(text_of(where.file), where.line));
    found_.push_back(
        {.where = std::move(where),
         .message = fmt::format("{} reads {}: every version of its rows, deleted ones too", what, table),
         .remedy = fmt::format("Write {}__current: the rows as they are.", table),
         .source_line = std::move(line)});
  }

  // The first place from `where` on that names the table and was not told yet; `where` itself when there is
  // none.
  Location place_of(const Location& where, const std::string& table) {
    const std::string& text = text_of(where.file);
    size_t line_begin = 0;
    for (int line = 1; line_begin < text.size(); ++line) {
      size_t line_end = std::min(text.find('\n', line_begin), text.size());
      std::string_view content(text.data() + line_begin, line_end - line_begin);
      for (size_t at = content.find("bronze"); line >= where.line && at != std::string_view::npos;
           at = content.find("bronze", at + 1)) {
        if (at > 0 && is_letter(content[at - 1])) continue;
        // bronze.orders, `bronze`.`orders`
        size_t name = content.find_first_not_of("`\". ", at + 6);
        if (name == std::string_view::npos || !content.substr(name).starts_with(table)) continue;
        size_t end = name + table.size();
        if (end < content.size() && is_letter(content[end])) continue;
        // bronze.orders.id is a column of a table that is named elsewhere.
        size_t after = content.find_first_not_of("`\"", end);
        if (after != std::string_view::npos && content[after] == '.') continue;
        Location found{where.file, line, static_cast<int>(at) + 1};
        if (told_.insert(found.describe()).second) return found;
      }
      line_begin = line_end + 1;
    }
    return where;
  }

  const std::string& text_of(const std::filesystem::path& file) {
    auto [entry, first] = texts_.emplace(file, "");
    if (first) {
      std::ifstream stream(root_ / file, std::ios::binary);
      entry->second.assign(std::istreambuf_iterator<char>(stream), {});
    }
    return entry->second;
  }

  const std::filesystem::path root_;
  const std::set<std::string> logs_;
  std::map<std::filesystem::path, std::string> texts_;
  std::set<std::string> told_;
  std::vector<Diagnostic> found_;
};

}  // namespace

std::vector<Diagnostic> reads_of_versions(const config::Project& project) {
  const Asked files(project);
  Finder finder(project.root, declared_logs(project, files.webhooks));
  for (const auto& dashboard : project.dashboards) {
    for (const auto& filter : dashboard.filters)
      finder.look(fmt::format("the filter `{}`", filter.name), filter.where, filter.sql);
    for (const auto& tile : dashboard.tiles) {
      finder.look(fmt::format("the tile `{}`", tile.title), tile.where, tile.query);
      finder.look(fmt::format("`drill` of the tile `{}`", tile.title), tile.where, tile.drill.sql);
    }
  }
  for (const auto& endpoint : project.endpoints)
    finder.look(fmt::format("the endpoint `{}`", endpoint.name), {endpoint.file, endpoint.sql_first_line, 1},
                endpoint.sql);
  for (const auto& alert : files.alerts)
    if (alert.subject == config::Alert::Subject::query)
      finder.look(fmt::format("the alert `{}`", alert.name), alert.where, alert.sql);
  return finder.take();
}

}  // namespace tidemark::cli
