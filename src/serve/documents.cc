#include "serve/documents.h"

#include "postgres/lsn.h"
#include "serve/view_parameters.h"

#include <boost/json.hpp>
#include <cmath>

namespace tidemark::serve {

namespace json = boost::json;

namespace {

double in_milliseconds(uint64_t micros) {
  return std::round(static_cast<double>(micros)) / 1000.0;
}

std::string position_text(ingest::Positions positions, uint64_t position) {
  return positions == ingest::Positions::lsn ? postgres::format_lsn(position) : std::to_string(position);
}

const char* positions_name(ingest::Positions positions) {
  switch (positions) {
    case ingest::Positions::lsn:
      return "lsn";
    case ingest::Positions::messages:
      return "messages";
    case ingest::Positions::runs:
      return "runs";
  }
  return "lsn";
}

json::object ladder_text(const ingest::SourceStatus& source) {
  auto text = [&](uint64_t position) { return position_text(source.positions, position); };
  const ingest::Ladder& ladder = source.ladder;
  return {{"server", text(ladder.server)}, {"received", text(ladder.received)},
          {"cut", text(ladder.cut)},       {"queryable", text(ladder.queryable)},
          {"fenced", text(ladder.fenced)}, {"acknowledged", text(ladder.acknowledged)}};
}

// How far behind the server's head: what can be drawn.
json::object ladder_behind(const ingest::Ladder& ladder) {
  const auto behind = [&](uint64_t position) {
    return ladder.server > position ? ladder.server - position : 0;
  };
  return {{"server", 0},
          {"received", behind(ladder.received)},
          {"cut", behind(ladder.cut)},
          {"queryable", behind(ladder.queryable)},
          {"fenced", behind(ladder.fenced)},
          {"acknowledged", behind(ladder.acknowledged)}};
}

json::object intake_object(const ingest::IntakeStatus& intake) {
  json::object rejected;
  for (const auto& [reason, count] : intake.rejected) rejected[reason] = count;
  json::array keys;
  for (const auto& key : intake.keys)
    keys.push_back(json::object{{"name", key.name}, {"accepted", key.accepted}, {"rejected", key.rejected}});
  json::object object{{"accepted", intake.accepted},
                      {"duplicates", intake.duplicates},
                      {"suppressed", intake.suppressed},
                      {"rejected", std::move(rejected)},
                      {"keys", std::move(keys)},
                      {"spool_bytes", intake.spool_bytes},
                      {"spool_bytes_max", intake.spool_bytes_max},
                      {"spool_age_ms", intake.spool_age_ms}};
  if (!intake.spool_error.empty()) object["spool_error"] = intake.spool_error;
  return object;
}

json::object pull_object(const ingest::PullStatus& pull) {
  auto time = [](int64_t micros) { return micros == 0 ? json::value(nullptr) : json::value(micros / 1000); };
  json::array streams;
  for (const auto& stream : pull.streams)
    streams.push_back(json::object{{"stream", stream.stream},
                                   {"watermark_ms", time(stream.watermark_micros)},
                                   {"under_way", stream.under_way},
                                   {"passes", stream.passes},
                                   {"pages", stream.pages},
                                   {"rows", stream.rows},
                                   {"refused", stream.refused},
                                   {"error", stream.error}});
  return {{"from", pull.from},
          {"state", pull.state},
          {"error", pull.error},
          {"waiting_until_ms", time(pull.waiting_until_micros)},
          {"waiting_for", pull.waiting_for},
          {"next_pass_ms", time(pull.next_pass_micros)},
          {"requests", pull.requests},
          {"throttled", pull.throttled},
          {"streams", std::move(streams)}};
}

json::object slot_object(const ingest::SlotHealth& slot) {
  json::object object = {
      {"wal_status", slot.wal_status}, {"retained_bytes", slot.retained_bytes},
      {"left_bytes", nullptr},         {"log_bytes_per_second", std::round(slot.log_bytes_per_second)},
      {"seconds_left", nullptr},       {"acknowledged_seconds_ago", slot.acknowledged_seconds_ago},
      {"warning", slot.warning}};
  if (slot.left_bytes) object["left_bytes"] = *slot.left_bytes;
  if (slot.seconds_left) object["seconds_left"] = *slot.seconds_left;
  return object;
}

json::object source_object(const ingest::SourceStatus& source) {
  json::array tables;
  for (const auto& table : source.tables) {
    json::object entry = {{"table", table.table},
                          {"state", table.state},
                          {"rows_applied", table.rows_applied},
                          {"quarantined", table.quarantined},
                          {"copy_rows", table.copy_rows},
                          {"copy_rows_estimate", table.copy_rows_estimate}};
    if (!table.error.empty()) entry["error"] = table.error;
    if (!table.note.empty()) entry["note"] = table.note;
    tables.push_back(std::move(entry));
  }
  json::object object = {
      {"source", source.source},
      {"state", source.state},
      {"error", source.error},
      {"epoch", source.epoch},
      {"last_cut", source.last_cut},
      {"as_of_ms", in_milliseconds(static_cast<uint64_t>(std::max<int64_t>(source.as_of_micros, 0)))},
      {"lag_ms", source.lag_ms},
      {"lag_bytes", source.lag_bytes},
      {"rows_per_second", std::round(source.rows_per_second * 10) / 10},
      {"transactions", source.transactions},
      {"commit_to_queryable_ms",
       {{"p50", in_milliseconds(source.queryable_p50_us)},
        {"p99", in_milliseconds(source.queryable_p99_us)},
        {"max", in_milliseconds(source.queryable_max_us)}}},
      {"positions", positions_name(source.positions)},
      {"ladder", ladder_text(source)},
      {"behind_bytes", ladder_behind(source.ladder)},
      {"streamed", {{"transactions", source.streamed_transactions}, {"bytes", source.streamed_bytes}}},
      {"tables", std::move(tables)}};
  if (source.slot) object["slot"] = slot_object(*source.slot);
  if (source.copy_seconds_left) object["copy_seconds_left"] = *source.copy_seconds_left;
  if (source.intake) object["intake"] = intake_object(*source.intake);
  if (source.pull) object["pull"] = pull_object(*source.pull);
  return object;
}

json::array tones_array(const std::vector<config::Tone>& tones) {
  json::array list;
  for (const auto& tone : tones) {
    json::object entry = {{"tone", tone.tone}};
    if (tone.above) entry["above"] = *tone.above;
    if (tone.below) entry["below"] = *tone.below;
    if (!tone.is.empty()) entry["is"] = tone.is;
    list.push_back(std::move(entry));
  }
  return list;
}

json::array names_array(const std::vector<config::TileParameter>& parameters) {
  json::array names;
  for (const auto& parameter : parameters) names.push_back(json::string(parameter.name));
  return names;
}

json::object tile_object(const config::Tile& tile) {
  json::array y;
  for (const auto& column : tile.y) y.push_back(json::string(column));
  json::array columns;
  for (const auto& column : tile.columns) {
    json::object entry = {{"column", column.column},
                          {"title", column.title.empty() ? column.column : column.title},
                          {"format", config::name(column.format)},
                          {"unit", column.unit},
                          {"bar", column.bar}};
    if (column.shade) entry["shade"] = true;
    if (!column.tones.empty()) entry["tones"] = tones_array(column.tones);
    if (column.decimals) entry["decimals"] = *column.decimals;
    columns.push_back(std::move(entry));
  }
  json::object object = {{"title", tile.title},
                         {"chart", config::name(tile.chart)},
                         {"description", tile.description},
                         {"query", tile.query.empty() ? tile.sql : tile.query},
                         {"x", tile.x},
                         {"y", std::move(y)},
                         {"series", tile.series},
                         {"stacked", tile.stacked},
                         {"format", config::name(tile.format)},
                         {"unit", tile.unit},
                         {"width", tile.width},
                         {"height", tile.height},
                         {"compare", tile.compare},
                         {"trend", tile.trend},
                         {"good", tile.good},
                         {"columns", std::move(columns)},
                         {"sort", tile.sort},
                         {"limit", tile.limit}};
  if (tile.decimals) object["decimals"] = *tile.decimals;
  if (!tile.text.empty()) object["text"] = tile.text;
  if (!tile.size.empty()) object["size"] = tile.size;
  if (!tile.label.empty()) object["label"] = tile.label;
  object["parameters"] = names_array(tile.parameters);
  if (!tile.drill.sql.empty())
    object["drill"] = {{"title", tile.drill.title}, {"parameters", names_array(tile.drill.parameters)}};
  return object;
}

json::object dashboard_object(const config::Dashboard& dashboard) {
  json::array tiles;
  for (const auto& tile : dashboard.tiles) tiles.push_back(tile_object(tile));
  json::array filters;
  for (const auto& filter : dashboard.filters)
    filters.push_back(json::object{{"name", filter.name},
                                   {"title", filter.title},
                                   {"type", filter.type},
                                   {"column", filter.column},
                                   {"options", !filter.sql.empty()}});
  bool timed = std::any_of(dashboard.tiles.begin(), dashboard.tiles.end(),
                           [](const auto& tile) { return asks_for_time(tile.parameters); });
  return {{"name", dashboard.name},
          {"title", dashboard.title.empty() ? dashboard.name : dashboard.title},
          {"description", dashboard.description},
          {"time",
           {{"asked", timed},
            {"default", dashboard.time.range.text},
            {"presets", json::value_from(dashboard.time.presets)},
            {"zone", dashboard.time.zone},
            {"compare", dashboard.time.compare}}},
          {"filters", std::move(filters)},
          {"tiles", std::move(tiles)}};
}

json::object audit_object(const AuditStatus& audit) {
  json::object entry = {{"audit", audit.audit}, {"severity", audit.severity}};
  entry["failing"] = audit.known ? json::value(audit.failing) : json::value();
  if (audit.known) entry["at_ms"] = audit.at_micros / 1000;
  if (!audit.examples.empty()) entry["examples"] = json::value_from(audit.examples);
  if (!audit.error.empty()) entry["error"] = audit.error;
  return entry;
}

json::object refresh_object(const RefreshFacts& facts) {
  return {{"as_of_ms", facts.as_of_micros / 1000},
          {"rows", facts.rows},
          {"bytes", facts.bytes},
          {"runs", facts.runs},
          {"failed_runs", facts.failed_runs},
          {"seconds", static_cast<double>(facts.run_micros) / 1e6},
          {"error", facts.error},
          {"asked", facts.asked},
          {"answered", facts.answered},
          {"answer_error", facts.answer_error}};
}

json::object model_object(const ModelStatus& model) {
  json::object entry = {{"model", model.model},
                        {"kind", model.kind},
                        {"state", model.state},
                        {"as_of_lag_ms", model.as_of_lag_ms}};
  if (!model.reason.empty()) entry["reason"] = model.reason;
  if (model.since_micros > 0) entry["since_ms"] = model.since_micros / 1000;
  if (!model.cuts.empty()) entry["cuts"] = json::value_from(model.cuts);
  if (model.percent >= 0) entry["percent"] = model.percent;
  if (model.refresh) entry["refresh"] = refresh_object(*model.refresh);
  if (model.freshness_ms > 0) entry["freshness_ms"] = model.freshness_ms;
  json::array audits;
  for (const auto& audit : model.audits) audits.push_back(audit_object(audit));
  entry["audits"] = std::move(audits);
  return entry;
}

}  // namespace

std::string status_document(const StatusInputs& inputs) {
  json::array sources;
  uint64_t p50 = 0;
  uint64_t p99 = 0;
  for (const auto& source : inputs.pipeline.sources) {
    sources.push_back(source_object(source));
    p50 = std::max(p50, source.queryable_p50_us);
    p99 = std::max(p99, source.queryable_p99_us);
  }
  json::array models;
  for (const auto& model : inputs.models) models.push_back(model_object(model));
  json::array audits;
  for (const auto& audit : inputs.audits) {
    json::object entry = audit_object(audit);
    entry["model"] = audit.model;
    audits.push_back(std::move(entry));
  }
  json::array segments;
  for (const auto& segment : inputs.segments)
    segments.push_back(json::object{{"segment", segment.segment},
                                    {"entity", segment.entity},
                                    {"members", segment.members},
                                    {"entered", segment.entered},
                                    {"exited", segment.exited}});
  return json::serialize(json::object{
      {"project", inputs.project},
      {"time_ms", inputs.now_micros / 1000},
      {"sources", std::move(sources)},
      {"models", std::move(models)},
      {"audits", std::move(audits)},
      {"segments", std::move(segments)},
      {"destinations", json::parse(inputs.destinations)},
      {"alerts", json::parse(inputs.alerts)},
      {"commit_to_queryable_ms", {{"p50", in_milliseconds(p50)}, {"p99", in_milliseconds(p99)}}},
      {"warehouse",
       {{"mode", inputs.warehouse_mode}, {"version", inputs.warehouse_version}, {"up", inputs.warehouse_up}}},
      {"viewers", inputs.viewers}});
}

std::string refresh_document(const RefreshFacts& facts) {
  return json::serialize(refresh_object(facts));
}

std::string readiness_document(const StatusInputs& inputs, bool& ready) {
  json::array reasons;
  for (const auto& source : inputs.pipeline.sources) {
    if (source.follows()) continue;
    std::string reason = "source " + source.source + " is " + source.state;
    if (!source.error.empty()) reason += ": " + source.error;
    reasons.push_back(json::string(reason));
  }
  if (!inputs.warehouse_up) reasons.push_back("the warehouse does not answer");
  ready = reasons.empty();
  return json::serialize(json::object{{"ready", ready}, {"reasons", std::move(reasons)}});
}

std::string dashboards_document(const std::string& project,
                                const std::vector<config::Dashboard>& dashboards) {
  json::array list;
  for (const auto& dashboard : dashboards) list.push_back(dashboard_object(dashboard));
  return json::serialize(json::object{{"project", project}, {"dashboards", std::move(list)}});
}

std::string dashboard_document(const config::Dashboard& dashboard) {
  return json::serialize(dashboard_object(dashboard));
}

AsOf as_of(const ingest::PipelineStatus& pipeline) {
  AsOf result;
  json::object sources;
  for (const auto& source : pipeline.sources) {
    if (source.as_of_micros > 0 && (result.commit_micros == 0 || source.as_of_micros < result.commit_micros))
      result.commit_micros = source.as_of_micros;
    result.lag_ms = std::max(result.lag_ms, source.lag_ms);
    sources[source.source] = {
        {"lsn", position_text(source.positions, source.ladder.fenced)},
        {"cut", source.last_cut},
        {"as_of_ms", in_milliseconds(static_cast<uint64_t>(std::max<int64_t>(source.as_of_micros, 0)))}};
  }
  result.json = fmt::format("\"as_of_ms\":{:.3f},\"lag_ms\":{},\"sources\":{}",
                            static_cast<double>(result.commit_micros) / 1000.0, result.lag_ms,
                            json::serialize(sources));
  return result;
}

std::string cut_document(const ingest::CutEvent& cut) {
  json::array tables;
  for (const auto& table : cut.tables) tables.push_back(json::string(table));
  return json::serialize(
      json::object{{"source", cut.source},
                   {"cut", cut.cut},
                   {"end_lsn", position_text(cut.positions, cut.end_lsn)},
                   {"committed_at_ms", static_cast<double>(cut.committed_at_micros) / 1000.0},
                   {"queryable_at_ms", static_cast<double>(cut.queryable_at_micros) / 1000.0},
                   {"rows", cut.rows},
                   {"tables", std::move(tables)}});
}

std::string tile_document(size_t tile, const std::string& compact_result, double took_ms, bool before) {
  return fmt::format("{{\"tile\":{},\"took_ms\":{:.1f},\"{}\":{}}}", tile, took_ms,
                     before ? "before" : "result", compact_result);
}

std::string tile_error_document(size_t tile, const Error& error) {
  return json::serialize(json::object{
      {"tile", tile},
      {"error", {{"kind", name(error.kind)}, {"message", error.message}, {"remedy", error.remedy}}}});
}

}  // namespace tidemark::serve
