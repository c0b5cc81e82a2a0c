#include "models/rollback.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "clickhouse/cluster.h"
#include "models/model_source.h"

namespace tidemark::models {
namespace {

struct Swap {
  const ModelRecord* now;
  const ModelRecord* before;
};

constexpr const char* go_on_by_hand =
    "put the earlier definition back into the model's file and run `tidemark apply`";

const ModelRecord* newest_retired(const ModelState& state, const std::string& model) {
  const ModelRecord* before = nullptr;
  for (const auto& record : state.records())
    if (record.model == model && record.state == "retired" &&
        (before == nullptr || record.version > before->version))
      before = &record;
  return before;
}

Result<Swap> swap_of(clickhouse::Client& client, const ModelState& state, const ModelRecord& now) {
  const ModelRecord* before = newest_retired(state, now.model);
  if (before == nullptr || before->view.empty())
    return fail(ErrorKind::refused,
                fmt::format("there is no version before the one of {} that is kept", now.model),
                go_on_by_hand);
  std::vector<std::string> names;
  for (const auto& table : before->physical) {
    auto tokens = TRY(tokenize(table));
    if (tokens.size() == 3) names.push_back(tokens[0].name + "." + tokens[2].name);
  }
  Block block = TRY(client.query("SELECT count() FROM " + clickhouse::system_table(client, "tables") +
                                     " WHERE concat(database, '.', name) IN {names:Array(String)}",
                                 {.raw_parameters = {{"names", clickhouse::array_parameter(names)}}}));
  if (block.columns[0].get<uint64_t>(0) != before->physical.size())
    return fail(ErrorKind::refused, fmt::format("tables of the version before of {} are gone", now.model),
                go_on_by_hand);
  return Swap{&now, before};
}

bool has_all_columns(const ModelRecord& before, const ModelRecord& now) {
  return std::all_of(now.columns.begin(), now.columns.end(), [&](const auto& column) {
    return std::find(before.columns.begin(), before.columns.end(), column) != before.columns.end();
  });
}

// Does `reader` consist of the definition of `read`, not only of its name?
bool holds_text_of(const ModelRecord& reader, const ModelRecord& read) {
  return reader.kind != "view" || read.kind == "view";
}

Result<std::vector<Swap>> swaps_of(clickhouse::Client& client, const ModelState& state,
                                   const ModelRecord& first) {
  std::vector<Swap> swaps{TRY(swap_of(client, state, first))};
  for (size_t index = 0; index < swaps.size(); ++index) {
    const ModelRecord& now = *swaps[index].now;
    const ModelRecord& before = *swaps[index].before;
    for (const auto& reader : state.records()) {
      if (reader.state != "active" ||
          std::find(reader.models.begin(), reader.models.end(), now.model) == reader.models.end() ||
          std::any_of(swaps.begin(), swaps.end(), [&](const auto& swap) { return swap.now == &reader; }))
        continue;
      if (!reader.change.empty() && reader.change == now.change) {
        swaps.push_back(TRY_IN(swap_of(client, state, reader),
                               reader.model + ", which was changed together with " + now.model));
      } else if (holds_text_of(reader, now) && reader.version > now.version) {
        return fail(ErrorKind::refused,
                    fmt::format("{} reads {} and was changed after it", reader.model, now.model),
                    fmt::format("run `tidemark rollback {}` first, or {}", reader.model, go_on_by_hand));
      } else if (!has_all_columns(before, now)) {
        return fail(ErrorKind::refused,
                    fmt::format("{} reads {}, whose version before has not all the columns it has now",
                                reader.model, now.model),
                    go_on_by_hand);
      }
    }
  }
  return swaps;
}

Status replace_views(clickhouse::Client& client, const std::vector<Swap>& swaps) {
  for (size_t index = 0; index < swaps.size(); ++index) {
    Status replaced = client.execute(swaps[index].before->view, {.timeout = limits::barrier_statement_time});
    if (replaced) continue;
    while (index-- > 0)
      if (Status back = client.execute(swaps[index].now->view, {.timeout = limits::barrier_statement_time});
          !back)
        log::error("{} shows its version before: {}", swaps[index].now->model, back.error().message);
    return replaced;
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> rollback(clickhouse::Client& client, const std::string& model,
                                          const DeploymentHooks& hooks) {
  ModelState state = TRY(ModelState::load(client));
  const ModelRecord* active = state.active(model);
  if (active == nullptr)
    return fail(ErrorKind::refused, fmt::format("{} is not a model of this warehouse", model),
                "`tidemark plan` lists the models");
  std::vector<Swap> swaps = TRY(swaps_of(client, state, *active));
  auto replace = [&] { return replace_views(client, swaps); };
  TRY_VOID(hooks.at_barrier ? hooks.at_barrier(replace) : replace());
  std::string change = fmt::format("{:x}", system_clock().wall_micros());
  std::vector<std::pair<ModelRecord, std::string>> facts;
  std::vector<std::string> names;
  for (const auto& swap : swaps) {
    names.push_back(swap.now->model);
    for (const auto& [record, became] : {std::pair(swap.now, "retired"), std::pair(swap.before, "active")}) {
      facts.emplace_back(*record, "");
      facts.back().first.state = became;
      facts.back().first.change = change;
    }
  }
  TRY_VOID(state.write(client, std::move(facts)));
  return names;
}

}  // namespace tidemark::models
