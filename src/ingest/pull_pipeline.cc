#include "ingest/pull_pipeline.h"

#include "base/log.h"
#include "clickhouse/schema.h"
#include "ingest/pull_connector.h"
#include "ingest/pull_limits.h"

namespace tidemark::ingest {
namespace {

std::unique_ptr<PullConnector> make_connector(config::PullFrom from, PullDesk& desk) {
  switch (from) {
    case config::PullFrom::shopify:
      return make_shopify_connector(desk);
    case config::PullFrom::klaviyo:
      return make_klaviyo_connector(desk);
    case config::PullFrom::ga4:
      return make_ga4_connector(desk);
  }
  return nullptr;
}

}  // namespace

PullPipeline::PullPipeline(config::PullSettings settings, EventPipelineOptions options,
                           clickhouse::ClientPool& pool, ModelHooks hooks, const Clock& clock,
                           std::function<void(const CutEvent&)> on_cut)
    : settings_(std::move(settings)),
      source_(options.source),
      pool_(pool),
      clock_(clock),
      events_(std::move(options), pool, std::move(hooks), clock, std::move(on_cut)) {}

PullPipeline::~PullPipeline() {
  stop();
}

Status PullPipeline::prepare() {
  TRY_VOID(events_.prepare());
  desk_ = std::make_unique<PullDesk>(source_, settings_, events_.door(), clock_, stop_);
  return {};
}

void PullPipeline::start() {
  events_.start();
  if (!settings_.token.empty()) thread_ = std::thread([this] { run(); });
}

void PullPipeline::stop() {
  stop_ = true;
  if (desk_) desk_->wake();
  if (thread_.joinable()) thread_.join();
  events_.stop();
}

SourceStatus PullPipeline::status() const {
  SourceStatus status = events_.status();
  if (desk_) status.pull = desk_->status();
  return status;
}

bool PullPipeline::wait_until_fenced() {
  std::optional<uint64_t> position;
  for (;;) {
    if (stop_) return false;
    SourceStatus status = events_.status();
    if (status.state == "streaming") {
      if (!position)
        if (auto asked = events_.ask_for_fence()) position = *asked;
      if (position && status.ladder.fenced >= *position) return true;
    }
    std::this_thread::sleep_for(limits::pull_look_every);
  }
}

Result<std::vector<StreamProgress>> PullPipeline::read_progress() {
  std::vector<StreamProgress> streams;
  for (const auto& stream : settings_.streams) streams.push_back({.stream = stream});
  Block block = TRY(pool_.query(fmt::format(
      "SELECT stream, argMax(ifNull(toUnixTimestamp64Micro(watermark), toInt64(0)), _version) AS watermark, "
      "argMax(place, _version) AS place, argMax(passes, _version) AS passes, argMax(pages, _version) AS "
      "pages, "
      "argMax(rows, _version) AS rows, argMax(refused, _version) AS refused FROM {} GROUP BY stream",
      clickhouse::quote_table("bronze", config::PullSettings::progress_table(source_.name)))));
  auto number = [&](const char* name, size_t row) { return block.find(name)->get<uint64_t>(row); };
  for (size_t row = 0; row < block.rows(); ++row)
    for (auto& stream : streams) {
      if (stream.stream != block.find("stream")->text(row)) continue;
      stream.watermark = block.find("watermark")->get<int64_t>(row);
      std::string_view place = block.find("place")->text(row);
      if (!place.empty()) stream.place = PassPlace::read(place);
      stream.passes = number("passes", row);
      stream.pages = number("pages", row);
      stream.rows = number("rows", row);
      stream.refused = number("refused", row);
    }
  return streams;
}

bool PullPipeline::pass(std::vector<StreamProgress>& streams) {
  auto connector = make_connector(settings_.from, *desk_);
  desk_->tell([](PullStatus& status) {
    status.state = "pulling";
    status.next_pass_micros = 0;
  });
  std::string first_error;
  for (auto& stream : streams) {
    if (stop_) break;
    Status done = connector->pass(stream);
    if (stop_) break;
    std::string error;
    if (!done) {
      Error told = std::move(done.error()).in(fmt::format("source {}, {}", source_.name, stream.stream));
      log::warn("{}", told.describe());
      error = told.message + (told.remedy.empty() ? "" : " (" + told.remedy + ")");
      if (first_error.empty()) first_error = stream.stream + ": " + error;
    }
    desk_->show(stream, error);
  }
  desk_->tell([&](PullStatus& status) {
    status.state = first_error.empty() ? "idle" : "failed";
    status.error = first_error;
  });
  return first_error.empty();
}

bool PullPipeline::rest(int64_t micros) {
  desk_->tell([&](PullStatus& status) { status.next_pass_micros = clock_.wall_micros() + micros; });
  return desk_->wait(micros, "the next pass", false);
}

void PullPipeline::run() {
  std::optional<std::vector<StreamProgress>> streams;
  int64_t pause = limits::pull_pause_first_us;
  const int64_t every = settings_.every_s * 1'000'000;
  while (!stop_) {
    if (!streams) {
      if (!wait_until_fenced()) return;
      auto read = read_progress();
      if (!read) {
        log::warn("source {}: how far it is cannot be read: {}", source_.name, read.error().describe());
        if (!desk_->wait(limits::pull_pause_first_us, "the warehouse", false)) return;
        continue;
      }
      streams = std::move(*read);
      for (const auto& stream : *streams) desk_->show(stream);
    }
    bool well = pass(*streams);
    pause = well ? limits::pull_pause_first_us : std::min({2 * pause, limits::pull_pause_max_us, every});
    if (stop_ || !rest(well ? every : pause)) return;
  }
}

}  // namespace tidemark::ingest
