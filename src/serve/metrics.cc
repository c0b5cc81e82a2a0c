#include "serve/metrics.h"

#include <dirent.h>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace tidemark::serve {

namespace {

std::string escaped(std::string_view text) {
  std::string result;
  for (const char character : text) {
    if (character == '\n') {
      result += "\\n";
      continue;
    }
    if (character == '"' || character == '\\') result += '\\';
    result += character;
  }
  return result;
}

void begin(std::string& out, const char* name, const char* type, const char* help) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

template <class Value>
void sample(std::string& out, const char* name,
            std::initializer_list<std::pair<const char*, std::string>> labels, Value value) {
  out += name;
  const char* separator = "{";
  for (const auto& [label, text] : labels) {
    out += fmt::format("{}{}=\"{}\"", separator, label, escaped(text));
    separator = ",";
  }
  if (labels.size() > 0) out += '}';
  out += fmt::format(" {}\n", value);
}

void write_sources(std::string& out, const std::vector<ingest::SourceStatus>& sources) {
  const auto each = [&](const char* name, const char* type, const char* help, auto value) {
    begin(out, name, type, help);
    for (const auto& source : sources) sample(out, name, {{"source", source.source}}, value(source));
  };
  begin(out, "tidemark_source_state", "gauge", "1 for the state the source is in");
  for (const auto& source : sources)
    for (const char* state :
         {"starting", "copying", "streaming", "loading", "idle", "waiting", "failed", "stopped"})
      sample(out, "tidemark_source_state", {{"source", source.source}, {"state", state}},
             source.state == state ? 1 : 0);
  begin(out, "tidemark_source_position_bytes", "gauge",
        "Log positions: server >= received >= cut >= queryable >= fenced >= acknowledged");
  for (const auto& source : sources) {
    const std::pair<const char*, uint64_t> steps[] = {
        {"server", source.ladder.server}, {"received", source.ladder.received},
        {"cut", source.ladder.cut},       {"queryable", source.ladder.queryable},
        {"fenced", source.ladder.fenced}, {"acknowledged", source.ladder.acknowledged}};
    for (const auto& [step, position] : steps)
      sample(out, "tidemark_source_position_bytes", {{"source", source.source}, {"step", step}}, position);
  }
  each("tidemark_source_lag_bytes", "gauge", "Log the server has and the warehouse does not show yet",
       [](const auto& source) { return source.lag_bytes; });
  each("tidemark_source_streamed_bytes", "gauge",
       "Kept of transactions that still run at the source, in memory and on disk",
       [](const auto& source) { return source.streamed_bytes; });
  each("tidemark_source_lag_seconds", "gauge", "How far the queryable state is behind the source",
       [](const auto& source) { return static_cast<double>(source.lag_ms) / 1000.0; });
  each("tidemark_source_as_of_timestamp_seconds", "gauge", "Commit time of the newest queryable transaction",
       [](const auto& source) { return static_cast<double>(source.as_of_micros) / 1e6; });
  each("tidemark_source_rows_per_second", "gauge", "Rows applied a second, over the last seconds",
       [](const auto& source) { return source.rows_per_second; });
  each("tidemark_source_transactions_total", "counter", "Transactions applied since start",
       [](const auto& source) { return source.transactions; });
  each("tidemark_source_epoch", "gauge", "Grows when the source's identity changes",
       [](const auto& source) { return source.epoch; });
  each("tidemark_source_last_cut", "gauge", "Number of the last fenced cut",
       [](const auto& source) { return source.last_cut; });
}

// Of sources that have one; what is not known is left out.
void write_slots(std::string& out, const std::vector<ingest::SourceStatus>& sources) {
  const auto each = [&](const char* name, const char* help, auto value) {
    begin(out, name, "gauge", help);
    for (const auto& source : sources)
      if (auto known = source.slot ? value(*source.slot) : std::optional<double>())
        sample(out, name, {{"source", source.source}}, *known);
  };
  using Slot = ingest::SlotHealth;
  using Value = std::optional<double>;
  each("tidemark_slot_retained_bytes", "Log that the server keeps for the replication slot",
       [](const Slot& slot) { return Value(slot.retained_bytes); });
  each("tidemark_slot_left_bytes", "Log that may come before the server invalidates the slot",
       [](const Slot& slot) { return slot.left_bytes ? Value(*slot.left_bytes) : Value(); });
  each("tidemark_slot_seconds_left", "Until the slot is invalidated, as fast as the log grows now",
       [](const Slot& slot) { return slot.seconds_left ? Value(*slot.seconds_left) : Value(); });
  each("tidemark_slot_acknowledged_age_seconds", "Since the slot moved last",
       [](const Slot& slot) { return Value(slot.acknowledged_seconds_ago); });
  begin(out, "tidemark_slot_wal_status", "gauge", "1 for what the server says of the slot's log");
  for (const auto& source : sources)
    for (const char* status : {"reserved", "extended", "unreserved", "lost"})
      if (source.slot)
        sample(out, "tidemark_slot_wal_status", {{"source", source.source}, {"status", status}},
               source.slot->wal_status == status ? 1 : 0);
}

void write_tables(std::string& out, const std::vector<ingest::SourceStatus>& sources) {
  const auto each = [&](const char* name, const char* type, const char* help, auto value) {
    begin(out, name, type, help);
    for (const auto& source : sources)
      for (const auto& table : source.tables)
        sample(out, name, {{"source", source.source}, {"table", table.table}}, value(table));
  };
  begin(out, "tidemark_table_state", "gauge", "1 for the state the table is in");
  for (const auto& source : sources)
    for (const auto& table : source.tables)
      for (const char* state : {"waiting", "copying", "live", "failed", "dropped"})
        sample(out, "tidemark_table_state",
               {{"source", source.source}, {"table", table.table}, {"state", state}},
               table.state == state ? 1 : 0);
  each("tidemark_table_rows_applied_total", "counter", "Rows applied since start",
       [](const auto& table) { return table.rows_applied; });
  each("tidemark_table_quarantined_rows", "gauge", "Rows set aside because they do not fit",
       [](const auto& table) { return table.quarantined; });
  each("tidemark_table_copy_rows", "gauge", "Initial copy: rows so far",
       [](const auto& table) { return table.copy_rows; });
  each("tidemark_table_copy_estimated_rows", "gauge", "Initial copy: the planner's estimate of the total",
       [](const auto& table) { return table.copy_rows_estimate; });
}

void write_models(std::string& out, const std::vector<ModelStatus>& models) {
  begin(out, "tidemark_model_state", "gauge", "1 for the state the model is in");
  for (const auto& model : models)
    for (const char* state : {"live", "building", "stale", "failed"})
      sample(out, "tidemark_model_state", {{"model", model.model}, {"state", state}},
             model.state == state ? 1 : 0);
  begin(out, "tidemark_model_lag_seconds", "gauge", "How far the model is behind its sources");
  for (const auto& model : models)
    sample(out, "tidemark_model_lag_seconds", {{"model", model.model}},
           static_cast<double>(model.as_of_lag_ms) / 1000.0);
  begin(out, "tidemark_model_freshness_limit_seconds", "gauge", "The lag from which the model is stale");
  for (const auto& model : models)
    if (model.freshness_ms > 0)
      sample(out, "tidemark_model_freshness_limit_seconds", {{"model", model.model}},
             static_cast<double>(model.freshness_ms) / 1000.0);
}

void write_audits(std::string& out, const std::vector<AuditStatus>& audits) {
  const auto each = [&](const char* name, const char* help, auto value) {
    begin(out, name, "gauge", help);
    for (const auto& audit : audits)
      if (audit.known)
        sample(out, name, {{"model", audit.model}, {"audit", audit.audit}, {"severity", audit.severity}},
               value(audit));
  };
  each("tidemark_audit_failing_rows", "Rows the audit finds; 0: it passes",
       [](const auto& audit) { return audit.failing; });
  each("tidemark_audit_error", "1: the audit could not be asked",
       [](const auto& audit) { return audit.error.empty() ? 0 : 1; });
  each("tidemark_audit_timestamp_seconds", "When the audit was asked last",
       [](const auto& audit) { return static_cast<double>(audit.at_micros) / 1e6; });
}

void write_process(std::string& out) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  begin(out, "process_cpu_seconds_total", "counter", "User and system CPU time of this process");
  sample(out, "process_cpu_seconds_total", {}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  begin(out, "process_resident_memory_bytes", "gauge", "Resident memory of this process");
  sample(out, "process_resident_memory_bytes", {},
         resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  begin(out, "process_resident_memory_peak_bytes", "gauge", "Its peak since start");
  sample(out, "process_resident_memory_peak_bytes", {}, static_cast<uint64_t>(usage.ru_maxrss) * 1024);
  uint64_t descriptors = 0;
  if (DIR* directory = opendir("/proc/self/fd")) {
    while (readdir(directory) != nullptr) ++descriptors;
    closedir(directory);
  }
  begin(out, "process_open_fds", "gauge", "Open file descriptors");
  sample(out, "process_open_fds", {}, descriptors);
}

}  // namespace

void CutMetrics::add(const ingest::CutEvent& cut) {
  const double seconds =
      std::max(0.0, static_cast<double>(cut.queryable_at_micros - cut.committed_at_micros) / 1e6);
  const size_t bucket =
      static_cast<size_t>(std::lower_bound(bounds.begin(), bounds.end(), seconds) - bounds.begin());
  std::lock_guard lock(mutex_);
  OfSource& source = sources_[cut.source];
  ++source.cuts;
  source.rows += cut.rows;
  if (cut.committed_at_micros == 0) return;  // of the initial copy: not a commit
  source.seconds += seconds;
  ++source.buckets[bucket];
}

void CutMetrics::write(std::string& out) const {
  std::lock_guard lock(mutex_);
  begin(out, "tidemark_cuts_total", "counter", "Cuts fenced since start");
  for (const auto& [name, source] : sources_)
    sample(out, "tidemark_cuts_total", {{"source", name}}, source.cuts);
  begin(out, "tidemark_cut_rows_total", "counter", "Rows in those cuts");
  for (const auto& [name, source] : sources_)
    sample(out, "tidemark_cut_rows_total", {{"source", name}}, source.rows);
  const char* histogram = "tidemark_commit_to_queryable_seconds";
  begin(out, histogram, "histogram",
        "From the commit of a cut's last transaction to its rows being queryable");
  for (const auto& [name, source] : sources_) {
    uint64_t running = 0;
    for (size_t i = 0; i <= bounds.size(); ++i) {
      running += source.buckets[i];
      sample(out, "tidemark_commit_to_queryable_seconds_bucket",
             {{"source", name}, {"le", i < bounds.size() ? fmt::format("{}", bounds[i]) : "+Inf"}}, running);
    }
    sample(out, "tidemark_commit_to_queryable_seconds_sum", {{"source", name}}, source.seconds);
    sample(out, "tidemark_commit_to_queryable_seconds_count", {{"source", name}}, running);
  }
}

std::string metrics_document(const StatusInputs& inputs, const CutMetrics& cuts, const LiveCounters& live,
                             const http::ServerCounters& server) {
  std::string out;
  out.reserve(16 << 10);
  write_sources(out, inputs.pipeline.sources);
  write_slots(out, inputs.pipeline.sources);
  write_tables(out, inputs.pipeline.sources);
  write_models(out, inputs.models);
  write_audits(out, inputs.audits);
  cuts.write(out);
  begin(out, "tidemark_warehouse_up", "gauge", "1 when the warehouse answered last time");
  sample(out, "tidemark_warehouse_up", {}, inputs.warehouse_up ? 1 : 0);
  begin(out, "tidemark_dashboard_viewers", "gauge", "Open live dashboards");
  sample(out, "tidemark_dashboard_viewers", {}, live.viewers);
  begin(out, "tidemark_dashboard_views", "gauge", "Different choices of time and filters that are looked at");
  sample(out, "tidemark_dashboard_views", {}, live.views);
  begin(out, "tidemark_dashboard_rounds_total", "counter", "Rounds of tile queries");
  sample(out, "tidemark_dashboard_rounds_total", {}, live.rounds);
  begin(out, "tidemark_dashboard_queries_total", "counter", "Tile queries run, once for all viewers");
  sample(out, "tidemark_dashboard_queries_total", {}, live.queries);
  begin(out, "tidemark_dashboard_query_errors_total", "counter", "Tile queries that failed");
  sample(out, "tidemark_dashboard_query_errors_total", {}, live.query_errors);
  begin(out, "tidemark_dashboard_query_seconds_total", "counter", "Time tile queries took");
  sample(out, "tidemark_dashboard_query_seconds_total", {}, static_cast<double>(live.query_micros) / 1e6);
  begin(out, "tidemark_http_connections", "gauge", "Open connections");
  sample(out, "tidemark_http_connections", {}, server.connections_open);
  begin(out, "tidemark_http_connections_refused_total", "counter", "Connections beyond the bound");
  sample(out, "tidemark_http_connections_refused_total", {}, server.connections_refused);
  begin(out, "tidemark_http_event_streams", "gauge", "Open event streams");
  sample(out, "tidemark_http_event_streams", {}, server.event_streams_open);
  begin(out, "tidemark_http_event_streams_dropped_total", "counter",
        "Event streams closed because the client was too slow");
  sample(out, "tidemark_http_event_streams_dropped_total", {}, server.event_streams_dropped);
  begin(out, "tidemark_http_requests_total", "counter", "Requests answered, by route and status");
  for (const auto& [key, count] : server.requests)
    sample(out, "tidemark_http_requests_total",
           {{"route", key.first.empty() ? "none" : key.first}, {"status", std::to_string(key.second)}},
           count);
  write_process(out);
  return out;
}

}  // namespace tidemark::serve
