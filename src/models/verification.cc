#include "models/verification.h"

#include "base/limits.h"
#include "models/model_source.h"
#include "models/query_settings.h"
#include "models/refresh_model.h"
#include "models/refresh_run.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;

clickhouse::QueryOptions bounded() {
  clickhouse::QueryOptions options;
  options.settings = model_query_settings();
  options.settings["max_execution_time"] = "0";
  options.timeout = std::chrono::milliseconds(limits::model_statement_ms_max);
  return options;
}

Result<clickhouse::QueryOptions> options_for(clickhouse::Client& client, const CompiledModel& model) {
  clickhouse::QueryOptions options = bounded();
  if (model.kind == ModelKind::refresh) {
    // The question that the result answers.
    options.parameters[std::string(refresh_instant)] = std::to_string(TRY(instant_of_result(client, model)));
  }
  return options;
}

std::string row_text(const CompiledModel& model) {
  std::vector<std::string> names;
  for (const auto& column : model.columns) names.push_back(quote_identifier(column.name));
  return "toString(tuple(" + joined(names) + "))";
}

// Rows as the hash of their text, which tells NULL from '' and shows floats in full; +1 for the recompute, -1
// for the model.
std::string signed_rows(const CompiledModel& model, const std::string& row) {
  return fmt::format(
      "SELECT sipHash128({0}) AS row_hash, toInt64(1) AS side FROM ({1}\n) UNION ALL SELECT sipHash128({0}) "
      "AS "
      "row_hash, toInt64(-1) AS side FROM {2}",
      row, model.recompute, clickhouse::quote_table(model.file.database, model.file.name));
}

// The model's answer in one row, computed in an order of its own.
Result<std::string> fingerprint_of_rows(clickhouse::Client& client, const CompiledModel& model,
                                        clickhouse::QueryOptions options, const char* threads,
                                        const char* rows) {
  options.settings["max_threads"] = threads;
  options.settings["max_block_size"] = rows;
  std::string row = row_text(model);
  return client.query_text(
      fmt::format("SELECT count(), sum(sipHash64({0})), groupBitXor(sipHash64({0})) FROM ({1}\n)", row,
                  model.recompute),
      options);
}

}  // namespace

Status judge_difference(clickhouse::Client& client, const CompiledModel& model, ModelParity& parity) {
  if (parity.different == 0 || model.kind != ModelKind::refresh) return {};
  clickhouse::QueryOptions options = TRY(options_for(client, model));
  std::string once = TRY(fingerprint_of_rows(client, model, options, "1", "65409"));
  std::string again = TRY(fingerprint_of_rows(client, model, options, "4", "777"));
  if (once == again) return {};
  parity.unrepeatable = true;
  uint64_t rows = std::strtoull(once.c_str(), nullptr, 10);
  parity.missing = rows > parity.rows ? rows - parity.rows : 0;
  parity.extra = parity.rows > rows ? parity.rows - rows : 0;
  parity.different = std::max(parity.missing, parity.extra);
  parity.examples.clear();
  return {};
}

Result<ModelParity> verify_model(clickhouse::Client& client, const CompiledModel& model) {
  ModelParity parity{.model = model.name, .kind = model.kind};
  parity.live.assign(model.live_reads.begin(), model.live_reads.end());
  if (!parity.live.empty()) return parity;
  std::string row = row_text(model);
  clickhouse::QueryOptions options = TRY(options_for(client, model));
  Block block = TRY_IN(
      client.query(
          "SELECT toUInt64(sum(model_rows)), toUInt64(sumIf(balance, balance > 0)), toUInt64(-sumIf(balance, "
          "balance < 0)) FROM (SELECT row_hash, sum(side) AS balance, countIf(side < 0) AS model_rows FROM "
          "(" +
              signed_rows(model, row) + ") GROUP BY row_hash)",
          options),
      "model " + model.name);
  if (block.rows() != 1) return fail(ErrorKind::internal, "verify of " + model.name + " gave no answer");
  parity.rows = block.columns[0].get<uint64_t>(0);
  parity.missing = block.columns[1].get<uint64_t>(0);
  parity.extra = block.columns[2].get<uint64_t>(0);
  parity.different = std::max(parity.missing, parity.extra);
  if (parity.different == 0) return parity;
  Block examples = TRY_IN(
      client.query(
          fmt::format(
              "SELECT row, sum(side) AS balance FROM (SELECT {0} AS row, toInt64(1) AS side FROM ({1}\n) "
              "UNION ALL SELECT {0} AS row, toInt64(-1) AS side FROM {2}) GROUP BY row HAVING balance "
              "!= 0 ORDER BY row LIMIT {3}",
              row, model.recompute, clickhouse::quote_table(model.file.database, model.file.name),
              limits::model_examples_max),
          options),
      "model " + model.name);
  for (size_t index = 0; index < examples.rows(); ++index)
    parity.examples.push_back(fmt::format("{} {}",
                                          examples.columns[1].get<int64_t>(index) > 0 ? "missing" : "extra",
                                          examples.columns[0].text(index)));
  return parity;
}

Result<std::vector<ModelParity>> verify_models(clickhouse::Client& client, const CompiledModels& models) {
  std::vector<ModelParity> all;
  for (const auto& model : models.models) all.push_back(TRY(verify_model(client, model)));
  return all;
}

}  // namespace tidemark::models
