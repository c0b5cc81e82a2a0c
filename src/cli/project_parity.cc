#include "cli/project_parity.h"

#include "base/limits.h"
#include "cli/output.h"
#include "cli/project_models.h"
#include "cli/table.h"
#include "ingest/inbox_parity.h"
#include "ingest/kafka_parity.h"
#include "models/compiler.h"
#include "models/model_state.h"

#include <boost/json.hpp>

namespace tidemark::cli {
namespace {

const std::atomic<bool> never_stop{false};

bool wanted(const std::vector<std::string>& only, const std::string& name) {
  return only.empty() || std::find(only.begin(), only.end(), name) != only.end();
}

bool is_dictionary(const config::Project& project, const std::string& name) {
  return std::any_of(project.dictionaries.begin(), project.dictionaries.end(),
                     [&](const auto& dictionary) { return dictionary.full_name() == name; });
}

// Beside cuts, `compare` may see half of one: then it is asked again.
template <class Compare>
auto compared_at_rest(clickhouse::Client& client, Compare compare) -> decltype(compare()) {
  models::FenceWatch watch(client);
  for (int attempt = 1;; ++attempt) {
    TRY_VOID(watch.begin());
    auto parity = TRY(compare());
    if (parity.different == 0 || attempt == limits::model_parity_attempts || TRY(watch.at_rest()))
      return parity;
  }
}

Result<models::ModelParity> verify_at_rest(clickhouse::ClientPool& pool, const models::CompiledModel& model) {
  auto client = pool.lease();
  return compared_at_rest(*client, [&]() -> Result<models::ModelParity> {
    return TRY_IN(models::verify_model(*client, model), "model " + model.name);
  });
}

// Moves whenever rows of a table that the model reads change.
Result<std::string> newest_rows(clickhouse::ClientPool& pool, const models::CompiledModel& model) {
  std::string newest;
  for (const auto& table : model.tables_in_depth)
    newest += TRY(pool.lease()->query_text("SELECT max(_version) FROM " +
                                           clickhouse::quote_table("bronze", table.substr(7))));
  return newest;
}

// A result is as of its last run. When it differs it is made again before it is compared again, so that an
// old result never passes for a wrong one; when changes come faster than that, the difference is called
// moving.
Result<models::ModelParity> verify_result(clickhouse::ClientPool& pool, const models::CompiledModel& model,
                                          const ProjectParityOptions& options) {
  bool still = false;
  for (int attempt = 1;; ++attempt) {
    auto parity = TRY_IN(models::verify_model(*pool.lease(), model), "model " + model.name);
    if (parity.different == 0) return parity;
    if (!options.refresh || still || attempt == limits::model_parity_attempts) {
      parity.moving = !still && options.refresh;
      if (!parity.moving) TRY_VOID(models::judge_difference(*pool.lease(), model, parity));
      return parity;
    }
    std::string before = TRY(newest_rows(pool, model));
    TRY_VOID(options.refresh(model.name));
    parity = TRY(models::verify_model(*pool.lease(), model));
    still = before == TRY(newest_rows(pool, model));
    if (parity.different == 0) return parity;
  }
}

Result<models::DictionaryParity> verify_at_rest(clickhouse::ClientPool& pool,
                                                const config::DictionaryFile& dictionary) {
  auto client = pool.lease();
  return compared_at_rest(*client, [&]() -> Result<models::DictionaryParity> {
    return TRY_IN(models::verify_dictionary(*client, dictionary), "dictionary " + dictionary.full_name());
  });
}

}  // namespace

bool ProjectParity::ok() const {
  for (const auto& table : tables)
    if (!table.equal()) return false;
  for (const auto& model : models)
    if (model.different > 0 && !model.moving) return false;
  for (const auto& dictionary : dictionaries)
    if (dictionary.different > 0) return false;
  for (const auto& audit : audits)
    if (audit.fails()) return false;
  for (const auto& segment : segments)
    if (!segment.good()) return false;
  for (const auto& people : profiles)
    if (!people.good()) return false;
  return true;
}

std::string ProjectParity::to_json() const {
  namespace json = boost::json;
  json::object document{{"ok", ok()}};
  json::object positions;
  for (const auto& [source, at] : as_of) {
    if (at.offsets.empty()) {
      positions[source] = postgres::format_lsn(at.lsn);
      continue;
    }
    json::object offsets;
    for (const auto& [partition, offset] : at.offsets) offsets[partition] = offset;
    positions[source] = offsets;
  }
  document["as_of"] = positions;
  json::array table_list;
  for (const auto& table : tables)
    table_list.push_back(json::object{{"table", table.table},
                                      {"rows", table.rows},
                                      {"missing", table.missing},
                                      {"extra", table.extra},
                                      {"different", table.different},
                                      {"moving", table.moving},
                                      {"not_judged", table.not_judged},
                                      {"refused", table.refused},
                                      {"notes", json::value_from(table.notes)},
                                      {"examples", json::value_from(table.examples)}});
  document["tables"] = table_list;
  json::array model_list;
  for (const auto& model : models)
    model_list.push_back(json::object{{"model", model.model},
                                      {"kind", models::name(model.kind)},
                                      {"rows", model.rows},
                                      {"different", model.different},
                                      {"moving", model.moving},
                                      {"unrepeatable", model.unrepeatable},
                                      {"live", json::value_from(model.live)},
                                      {"examples", json::value_from(model.examples)}});
  document["models"] = model_list;
  json::array dictionary_list;
  for (const auto& dictionary : dictionaries)
    dictionary_list.push_back(json::object{{"dictionary", dictionary.dictionary},
                                           {"rows", dictionary.rows},
                                           {"different", dictionary.different}});
  document["dictionaries"] = dictionary_list;
  json::array audit_list;
  for (const auto& audit : audits)
    audit_list.push_back(json::object{{"model", audit.model},
                                      {"audit", audit.audit},
                                      {"severity", config::name(audit.severity)},
                                      {"failing", audit.failing},
                                      {"error", audit.error},
                                      {"examples", json::value_from(audit.examples)}});
  document["audits"] = audit_list;
  json::array segment_list;
  for (const auto& segment : segments)
    segment_list.push_back(json::object{{"segment", segment.segment},
                                        {"members", segment.members},
                                        {"missing", segment.missing},
                                        {"extra", segment.extra},
                                        {"examples", json::value_from(segment.examples)}});
  document["segments"] = segment_list;
  json::array profile_list;
  for (const auto& people : profiles)
    profile_list.push_back(json::object{{"profiles", people.profiles},
                                        {"ids", people.ids},
                                        {"missing", people.missing},
                                        {"extra", people.extra},
                                        {"different", people.different},
                                        {"examples", json::value_from(people.examples)}});
  document["profiles"] = profile_list;
  document["seconds"] = seconds;
  return json::serialize(document) + "\n";
}

std::string ProjectParity::to_text() const {
  std::string text;
  for (const auto& [source, at] : as_of) {
    if (at.offsets.empty()) text += fmt::format("as of {} {}\n", source, postgres::format_lsn(at.lsn));
    for (const auto& [partition, offset] : at.offsets)
      text += fmt::format("as of {} {} offset {}\n", source, partition, offset);
  }
  TableStyle style = table_style();
  Table table_rows({{"table"},
                    {"rows", Align::right},
                    {"missing", Align::right},
                    {"extra", Align::right},
                    {"different", Align::right},
                    {"moving", Align::right}});
  for (const auto& table : tables)
    table_rows.add({table.table, with_commas(table.rows), with_commas(table.missing),
                    with_commas(table.extra), with_commas(table.different), with_commas(table.moving)});
  text += table_rows.render(style);
  Table model_rows({{"model"}, {"kind"}, {"rows", Align::right}, {"different", Align::right}});
  for (const auto& model : models)
    model_rows.add(
        {model.model, models::name(model.kind), with_commas(model.rows), with_commas(model.different)});
  if (!models.empty()) text += "\n" + model_rows.render(style);
  Table segment_rows(
      {{"segment"}, {"members", Align::right}, {"missing", Align::right}, {"extra", Align::right}});
  for (const auto& segment : segments)
    segment_rows.add({segment.segment, with_commas(segment.members), with_commas(segment.missing),
                      with_commas(segment.extra)});
  if (!segments.empty()) text += "\n" + segment_rows.render(style);
  for (const auto& segment : segments)
    for (const auto& example : segment.examples) text += fmt::format("  {} {}\n", segment.segment, example);
  for (const auto& people : profiles) {
    text += fmt::format("  profiles {}: {} ids, {} missing, {} extra, {} different\n", people.profiles,
                        with_commas(people.ids), with_commas(people.missing), with_commas(people.extra),
                        with_commas(people.different));
    for (const auto& example : people.examples) text += fmt::format("  {} {}\n", people.profiles, example);
  }
  for (const auto& table : tables) {
    for (const auto& example : table.examples) text += fmt::format("  {} {}\n", table.table, example);
    if (table.refused > 0)
      text += fmt::format("  {} {} messages could not be read; they are in quarantine\n", table.table,
                          with_commas(table.refused));
    if (table.not_judged > 0)
      text += fmt::format("  {} {} rows are not judged: their messages are not kept any more\n", table.table,
                          with_commas(table.not_judged));
    for (const auto& note : table.notes) text += fmt::format("  {} {}\n", table.table, note);
  }
  for (const auto& dictionary : dictionaries)
    text += fmt::format("  dictionary {}: {} rows, {} different\n", dictionary.dictionary,
                        with_commas(dictionary.rows), with_commas(dictionary.different));
  for (const auto& model : models) {
    if (model.moving)
      text += fmt::format("  {} changes faster than it can be compared; its difference proves nothing\n",
                          model.model);
    for (const auto& live : model.live)
      text += fmt::format("  {} was left out: it reads {}, which is live\n", model.model, live);
    if (model.unrepeatable)
      text += fmt::format(
          "  {} gives another answer each time it is computed; its rows were counted, not compared\n",
          model.model);
  }
  for (const auto& model : models)
    for (const auto& example : model.examples) text += fmt::format("  {} {}\n", model.model, example);
  size_t failing = 0;
  for (const auto& audit : audits)
    if (!audit.passed()) {
      ++failing;
      text +=
          fmt::format("  audit {} of {} ({}): {}\n", audit.audit, audit.model, config::name(audit.severity),
                      audit.error.empty() ? fmt::format("{} rows fail", audit.failing) : audit.error);
    }
  text += fmt::format("\n{}: {} tables, {} models, {} audits{}, {:.1f} s\n",
                      ok() ? "0 differences" : "DIFFERENT", tables.size(), models.size(), audits.size(),
                      failing > 0 ? fmt::format(" ({} failing)", failing) : "", seconds);
  return text;
}

Result<ProjectParity> verify_project(const config::Project& project, clickhouse::ClientPool& pool,
                                     const ProjectParityOptions& options) {
  int64_t started = system_clock().monotonic_micros();
  ProjectParity parity;
  auto compilation = TRY(compile_project(*pool.lease(), project));
  // A definition that is not deployed yet is not what its public view shows.
  models::ModelState state = TRY(models::ModelState::load(*pool.lease()));
  std::erase_if(compilation.models.models, [&](const auto& model) {
    const auto* active = state.active(model.name);
    bool deployed = active != nullptr && active->fingerprint == model.fingerprint;
    if (!deployed)
      print_err(fmt::format("model {} is not compared: its definition is not deployed (yet)\n", model.name));
    return !deployed;
  });
  // What is only watched has no rows to prove.
  std::erase_if(compilation.models.models, [](const auto& model) { return model.file.watch; });
  std::vector<std::string> tables_only;
  for (const auto& name : options.only)
    if (compilation.models.find(name) == nullptr && !is_dictionary(project, name) &&
        !is_segment(project, name))
      tables_only.push_back(name);
  if (options.only.empty() || !tables_only.empty()) {
    for (const auto& source : project.sources) {
      Progress progress("verify " + source.name, "rows", 0, options.progress);
      uint64_t before = 0;
      uint64_t current = 0;
      std::string table;
      ingest::ParityOptions table_options{.only = tables_only, .fence_timeout = options.fence_timeout};
      table_options.progress = [&](const std::string& name, uint64_t rows) {
        if (name != table) before += std::exchange(current, 0);
        table = name;
        current = rows;
        progress.set(before + current);
      };
      auto report =
          TRY_IN(ingest::verify_tables(source, pool, table_options, never_stop), "source " + source.name);
      progress.finish();
      parity.as_of[source.name] = {.lsn = report.as_of, .offsets = {}};
      for (auto& entry : report.tables) parity.tables.push_back(std::move(entry));
    }
    for (const auto& source : project.kafka_sources) {
      Progress progress("verify " + source.name, "messages", 0, options.progress);
      ingest::KafkaParityOptions table_options{
          .only = tables_only, .running = options.running, .fence_timeout = options.fence_timeout};
      table_options.progress = [&](uint64_t messages) { progress.set(messages); };
      auto report = TRY_IN(ingest::verify_kafka_tables(source, pool, table_options, never_stop),
                           "source " + source.name);
      progress.finish();
      for (const auto& [partition, place] : report.as_of.partitions)
        parity.as_of[source.name].offsets[fmt::format("{}/{}", partition.first, partition.second)] =
            place.offset;
      for (auto& entry : report.tables) parity.tables.push_back(std::move(entry));
    }
    for (const auto& table : project.insert_tables)
      if (wanted(tables_only, table.full_name()) || wanted(tables_only, "bronze." + table.mirrored_name()))
        parity.tables.push_back(
            TRY_IN(ingest::verify_insert_table(table, pool, never_stop), "table " + table.full_name()));
  }
  if (!compilation.ok()) return fail(ErrorKind::config, compilation.errors.front().render());
  Progress progress("verify models", "models", compilation.models.models.size(), options.progress);
  uint64_t done = 0;
  for (const auto& model : compilation.models.models) {
    if (!wanted(options.only, model.name)) continue;
    parity.models.push_back(model.kind == models::ModelKind::refresh
                                ? TRY(verify_result(pool, model, options))
                                : TRY(verify_at_rest(pool, model)));
    progress.set(++done);
  }
  progress.finish();
  for (const auto& dictionary : project.dictionaries)
    if (!dictionary.live() && wanted(options.only, dictionary.full_name()))
      parity.dictionaries.push_back(TRY(verify_at_rest(pool, dictionary)));
  if (options.only.empty())
    parity.audits = TRY(models::run_audits(*pool.lease(), compilation.models, project.audits));
  if (parity.tables.empty() && parity.models.empty() && parity.dictionaries.empty() &&
      !options.only.empty() && !std::all_of(options.only.begin(), options.only.end(), [&](const auto& name) {
        return is_segment(project, name);
      }))
    return fail(ErrorKind::config, fmt::format("there is no table or model called {}", options.only.front()),
                "tidemark status lists both");
  parity.segments = TRY(verify_segments(project, pool, options.only));
  parity.profiles = TRY(verify_profiles(project, pool, options.only));
  parity.seconds = static_cast<double>(system_clock().monotonic_micros() - started) / 1e6;
  return parity;
}

}  // namespace tidemark::cli
