#include "cli/models_behind.h"

#include "clickhouse/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::cli {

namespace {

bool same_columns(const std::vector<clickhouse::ColumnDescription>& left,
                  const std::vector<clickhouse::ColumnDescription>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const auto& a, const auto& b) { return a.name == b.name && a.type == b.type; });
}

}  // namespace

std::string models_behind(clickhouse::Client& client, const models::CompiledModels& models,
                          const std::string& table) {
  std::vector<std::string> lacking;
  std::vector<std::string> differing;
  for (const auto& model : models.models) {
    if (!model.tables_in_depth.contains(table)) continue;
    auto now = clickhouse::describe_select(client, model.recompute);
    if (!now && now.error().message.find("UNKNOWN_IDENTIFIER") != std::string::npos)
      lacking.push_back(model.name);
    else if (now && !same_columns(*now, model.columns))
      differing.push_back(model.name);
  }
  std::string text;
  if (!lacking.empty())
    text =
        fmt::format("{} named a column that is not there any more: change the model and run `tidemark apply`",
                    fmt::join(lacking, ", "));
  if (!differing.empty())
    text += fmt::format("{}{} would have other columns now: run `tidemark apply`", text.empty() ? "" : "; ",
                        fmt::join(differing, ", "));
  return text;
}

ingest::PipelineStatus with_readers_of_dropped(ingest::PipelineStatus status,
                                               const models::CompiledModels& models) {
  for (auto& source : status.sources)
    for (auto& table : source.tables) {
      if (table.state != "dropped") continue;
      auto readers = models.downstream_of(table.table);
      if (!readers.empty()) table.note += fmt::format("; read by {}", fmt::join(readers, ", "));
    }
  return status;
}

}  // namespace tidemark::cli
