#include "config/loading.h"

#include <fmt/format.h>
#include <map>

namespace tidemark::config {
namespace {

// Reports the second of two declarations with one name.
class Names {
 public:
  Names(Report& report, const char* what) : report_(report), what_(what) {}

  void add(const std::string& name, const Location& where) {
    if (name.empty()) return;
    auto [entry, first] = seen_.emplace(name, where);
    if (!first)
      report_.error(
          where, fmt::format("the {} `{}` is declared already in {}", what_, name, entry->second.describe()),
          "Give one of them another name.");
  }

 private:
  Report& report_;
  const char* what_;
  std::map<std::string, Location> seen_;
};

// A key says which source an event is for.
void check_event_sources(Report& report, const Project& project, const std::vector<WebhookSource>& webhooks,
                         Names& names, std::map<std::string, std::string>& owners) {
  std::map<std::string, std::string> keys, spools;
  std::vector<const EventSource*> sources;
  for (const EventSource& source : project.event_sources) sources.push_back(&source);
  for (const WebhookSource& source : webhooks) sources.push_back(&source.events);
  for (const EventSource* one : sources) {
    const EventSource& source = *one;
    names.add(source.name, source.where);
    auto own = [&](const std::string& table, const Location& where) {
      auto [owner, first] = owners.emplace(table, source.name);
      if (!first && owner->second != source.name)
        report.error(where,
                     fmt::format("the table `{}` belongs to the source `{}` already", table, owner->second),
                     "Give it another name.");
    };
    own(source.table, source.where);
    for (const PostedTable& table : source.tables) own(table.table, table.where);
    for (const WriteKey& key : source.write_keys) {
      if (key.key.empty()) continue;
      auto [owner, first] = keys.emplace(key.key.reveal(), source.name);
      if (!first && owner->second != source.name)
        report.error(
            source.where,
            fmt::format("the write key `{}` is one of the source `{}`, too", key.name, owner->second),
            "Give each source its own.");
    }
    auto [owner, first] = spools.emplace(source.spool.string(), source.name);
    if (!first)
      report.error(source.where, fmt::format("the source `{}` has the same spool", owner->second),
                   "Give each its own directory.");
  }
}

void check_insert_tables(Report& report, const Project& project, Names& names,
                         std::map<std::string, std::string>& owners) {
  Names tables(report, "table");
  std::map<std::string, std::string> files;
  for (const InsertTable& table : project.insert_tables) {
    if (files.emplace(table.source, table.full_name()).second) names.add(table.source, table.where);
    tables.add(table.full_name(), table.where);
    auto [owner, first] = owners.emplace(table.mirrored_name(), table.source);
    if (!first && owner->second != table.source)
      report.error(table.where,
                   fmt::format("{} is mirrored as bronze.{}, which belongs to the source `{}` already",
                               table.full_name(), table.mirrored_name(), owner->second),
                   "Give it another name.");
  }
}

void check_sources(Report& report, const Project& project, const std::vector<WebhookSource>& webhooks) {
  Names names(report, "source");
  Names slots(report, "replication slot");
  std::map<std::string, std::string> owners;
  for (const PostgresSource& source : project.sources) {
    names.add(source.name, source.where);
    slots.add(source.slot, source.where);
    for (const std::string& table : source.tables) {
      if (table.find('*') != std::string::npos) continue;
      std::string plain = table.starts_with("public.") ? table.substr(7) : table;
      auto [owner, first] = owners.emplace(plain, source.name);
      if (!first && owner->second != source.name)
        report.error(
            source.where,
            fmt::format("the table `{}` is mirrored by the source `{}` already", table, owner->second),
            "Both would be the same table of the warehouse: keep it in one source.");
    }
  }
  for (const KafkaSource& source : project.kafka_sources) {
    names.add(source.name, source.where);
    for (const KafkaTable& table : source.tables) {
      auto [owner, first] = owners.emplace(table.table, source.name);
      if (!first)
        report.error(
            table.where,
            fmt::format("the table `{}` belongs to the source `{}` already", table.table, owner->second),
            "Give it another name.");
    }
  }
  check_event_sources(report, project, webhooks, names, owners);
  check_insert_tables(report, project, names, owners);
}

void check_tiles(Report& report, const Project& project) {
  std::vector<std::string> models;
  for (const ModelFile& model : project.models) models.push_back(model.full_name());
  for (const Dashboard& dashboard : project.dashboards)
    for (const Tile& tile : dashboard.tiles) {
      if (tile.model.find('.') == std::string::npos || tile.model.starts_with("bronze.")) continue;
      if (std::find(models.begin(), models.end(), tile.model) == models.end())
        report.error(tile.where,
                     fmt::format("there is no model `{}`{}", tile.model, did_you_mean(tile.model, models)),
                     "Name a model of this project or bronze.<table>; anything else can be read with `sql`.");
    }
}

std::string live_name(const std::string& table) {
  return table.starts_with("public.") ? table.substr(7) : table;
}

void check_live_tables(Report& report, const Project& project) {
  Names names(report, "live table");
  for (const PostgresSource& source : project.sources)
    for (const std::string& table : source.live) names.add(live_name(table), source.where);
}

void check_dictionaries(Report& report, const Project& project) {
  Names names(report, "dictionary");
  std::vector<std::string> models, sources;
  for (const ModelFile& model : project.models) models.push_back(model.full_name());
  for (const PostgresSource& source : project.sources) sources.push_back(source.name);
  for (const DictionaryFile& dictionary : project.dictionaries) {
    names.add(dictionary.full_name(), dictionary.where);
    auto has = [](const std::vector<std::string>& list, const std::string& name) {
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    if (has(models, dictionary.full_name()))
      report.error(dictionary.where, fmt::format("there is a model `{}` too", dictionary.full_name()),
                   "Give one of them another name.");
    if (!dictionary.over.empty() && !dictionary.over.starts_with("bronze.") && !has(models, dictionary.over))
      report.error(
          dictionary.where,
          fmt::format("there is no model `{}`{}", dictionary.over, did_you_mean(dictionary.over, models)),
          "Name bronze.<table> or a model of this project.");
    if (!dictionary.source.empty() && !has(sources, dictionary.source))
      report.error(dictionary.where,
                   fmt::format("there is no source `{}`{}", dictionary.source,
                               did_you_mean(dictionary.source, sources)),
                   "Name a source of this project; its credentials are used.");
  }
}

}  // namespace

void check_project(Report& report, const Project& project, const std::vector<WebhookSource>& webhooks) {
  check_sources(report, project, webhooks);
  check_live_tables(report, project);
  check_dictionaries(report, project);
  Names dashboards(report, "dashboard");
  for (const Dashboard& dashboard : project.dashboards) dashboards.add(dashboard.name, dashboard.where);
  check_tiles(report, project);
  check_audits(report, project);
}

}  // namespace tidemark::config
