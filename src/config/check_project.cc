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

void check_sources(Report& report, const Project& project) {
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

}  // namespace

void check_project(Report& report, const Project& project) {
  check_sources(report, project);
  Names dashboards(report, "dashboard");
  for (const Dashboard& dashboard : project.dashboards) dashboards.add(dashboard.name, dashboard.where);
  check_tiles(report, project);
  check_audits(report, project);
}

}  // namespace tidemark::config
