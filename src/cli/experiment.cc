// tidemark experiment: the experiments of a project and their read-outs.
#include "base/clock.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "experiments/report.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cmath>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

namespace json = boost::json;
using namespace experiments;

struct Asked {
  std::string name, at;
  std::vector<std::string> dimensions;
  size_t points = 0;
};

Result<ExperimentFiles> load(const config::Project& project) {
  ExperimentFiles files = load_experiments(project.root, false);
  if (!files.errors.empty())
    return fail(ErrorKind::config,
                fmt::format("metrics and experiments have {}\n\n{}", counted(files.errors.size(), "error"),
                            config::render(files.errors)));
  return files;
}

Result<ExitCode> list(const Invocation& invocation) {
  config::Project project = TRY(invocation.load_project());
  ExperimentFiles files = TRY(load(project));
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
  std::string document = TRY(list_document(client, files));
  if (invocation.json) {
    print_out(document + "\n");
    return ExitCode::ok;
  }
  Table table({{"experiment"}, {"units", Align::right}, {"arms"}, {"sample ratio"}, {"description"}});
  json::value parsed = json::parse(document);
  for (const auto& one : parsed.at("experiments").as_array()) {
    std::string arms;
    for (const auto& arm : one.at("exposures").at("arms").as_array())
      arms += fmt::format("{}{} {}", arms.empty() ? "" : ", ", arm.at("variant").as_string().c_str(),
                          arm.at("units").to_number<int64_t>());
    bool alarm = one.at("exposures").at("sample_ratio").at("alarm").as_bool();
    table.add({std::string(one.at("experiment").as_string()),
               std::to_string(one.at("exposures").at("units").to_number<int64_t>()), arms,
               alarm ? "MISMATCH" : "as planned", std::string(one.at("description").as_string())});
  }
  print_out(table.render(table_style()));
  return ExitCode::ok;
}

std::string shown(double number) {
  return std::isfinite(number) ? fmt::format("{:.4g}", number) : "-";
}

std::string lift(const Metric& metric, double effect) {
  if (!std::isfinite(effect)) return "-";
  return metric.difference == Difference::relative ? fmt::format("{:+.2f} %", effect * 100)
                                                   : fmt::format("{:+.4g}", effect);
}

const char* word(GuardrailState state) {
  return state == GuardrailState::harmless  ? "harmless"
         : state == GuardrailState::harmful ? "HARMFUL"
                                            : "open";
}

std::string state_of(const MetricReading& metric, const Comparison& comparison) {
  if (comparison.effect.reason != Reason::none) return experiments::name(comparison.effect.reason);
  if (comparison.guardrail) return word(*comparison.guardrail);
  bool up = comparison.adjusted_lower > 0, down = comparison.adjusted_upper < 0;
  if (up || down) return up != metric.sums->metric->lower_is_better ? "better" : "worse";
  if (comparison.days_left && *comparison.days_left > 0)
    return fmt::format("open, {:.0f} days left", std::ceil(*comparison.days_left));
  return "open";
}

void add_rows(Table& table, const Experiment& experiment, const std::vector<MetricReading>& metrics) {
  for (const MetricReading& metric : metrics) {
    const Metric& known = *metric.sums->metric;
    size_t control = experiment.control();
    table.add({known.name, experiment.variants[control].name,
               std::to_string(metric.sums->arms[control].units), shown(metric.values[control]), "", "", "",
               "", ""});
    for (const Comparison& comparison : metric.comparisons)
      table.add({known.name, experiment.variants[comparison.arm].name,
                 std::to_string(metric.sums->arms[comparison.arm].units),
                 shown(metric.values[comparison.arm]), lift(known, comparison.effect.estimate),
                 fmt::format("{} .. {}", lift(known, comparison.adjusted_lower),
                             lift(known, comparison.adjusted_upper)),
                 experiment.analysis == Analysis::bayesian ? shown(comparison.bayesian.chance_to_win)
                                                           : shown(comparison.adjusted_p_value),
                 comparison.power ? fmt::format("{:.0f} %", comparison.power->power_now * 100) : "",
                 state_of(metric, comparison)});
  }
}

std::vector<Table::ColumnHead> heads(const Experiment& experiment) {
  return {{"metric"},
          {"variant"},
          {"units", Align::right},
          {"value", Align::right},
          {"lift", Align::right},
          {"interval", Align::right},
          {experiment.analysis == Analysis::bayesian ? "chance to win" : "p", Align::right},
          {"power", Align::right},
          {"state"}};
}

void print_report(const Report& report) {
  const Experiment& experiment = *report.experiment;
  const Counters& counters = report.sums.counters;
  print_out(fmt::format("{}: {} units, {:.0f} a day; {} analysis, alpha {}\n", experiment.name,
                        counters.total(), counters.units_a_day, experiments::name(experiment.analysis),
                        experiment.alpha));
  print_out(fmt::format("sample ratio: p = {:.3g}{}\n", report.read.sample_ratio.p_value,
                        report.read.sample_ratio.alarm() ? "  MISMATCH: no number below counts" : ""));
  if (counters.multiple > 0)
    print_out(fmt::format("{} units saw more than one variant ({}){}\n", counters.multiple,
                          experiments::name(experiment.multiple_exposure),
                          report.read.multiple_exposure_alarm ? "  ALARM" : ""));
  if (counters.unknown > 0)
    print_out(fmt::format("{} units have a variant that is not declared\n", counters.unknown));
  print_out("\n");
  for (const ArmDecision& decision : report.read.decisions) {
    print_out(fmt::format("{}: {}\n", experiment.variants[decision.arm].name,
                          experiments::name(decision.decision.hint)));
    for (const auto& reason : decision.decision.reasons) print_out("  " + reason + "\n");
  }
  print_out("\n");
  Table table(heads(experiment));
  add_rows(table, experiment, report.read.metrics);
  print_out(table.render(table_style()));
  for (const DimensionReading& dimension : report.read.dimensions)
    for (const LevelReading& level : dimension.levels) {
      print_out(fmt::format("\n{} = {}\n", dimension.dimension, level.level->level));
      Table levels(heads(experiment));
      add_rows(levels, experiment, level.metrics);
      print_out(levels.render(table_style()));
    }
}

Result<ExitCode> report(const Invocation& invocation, const Asked& asked) {
  config::Project project = TRY(invocation.load_project());
  ExperimentFiles files = TRY(load(project));
  const Experiment* experiment = files.experiment(asked.name);
  if (experiment == nullptr)
    return fail(ErrorKind::config,
                fmt::format("there is no experiment `{}`{}", asked.name,
                            config::did_you_mean(asked.name, files.experiment_names())),
                "`tidemark experiment list` names them.");
  ReportOptions options{.at_us = {}, .dimensions = asked.dimensions, .points = asked.points};
  if (!asked.at.empty()) {
    options.at_us = parse_instant(asked.at);
    if (!options.at_us)
      return fail(ErrorKind::usage, fmt::format("`{}` is no moment", asked.at),
                  "Write 2026-05-03 or 2026-05-03T14:30:00Z (UTC).");
  }
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
  auto made = TRY(make_report(client, files, *experiment, options));
  if (invocation.json)
    print_out(made->document + "\n");
  else
    print_report(*made);
  return ExitCode::ok;
}

}  // namespace

Run add_experiment(CLI::App& command) {
  auto asked = std::make_shared<Asked>();
  command.require_subcommand(1);
  CLI::App* listing = command.add_subcommand("list", "the experiments of the project and who is in them");
  CLI::App* reporting = command.add_subcommand("report", "values, lifts, intervals, and what to do");
  reporting->add_option("experiment", asked->name, "its name")->required();
  reporting->add_option("--at", asked->at, "only exposures and events up to this instant, UTC; default: now");
  reporting->add_option("--dimension", asked->dimensions, "also by this dimension; may be repeated");
  reporting->add_option("--series", asked->points, "with --json: so many read-outs over time");
  return [asked, listing](const Invocation& invocation) -> Result<ExitCode> {
    if (listing->parsed()) return list(invocation);
    return report(invocation, *asked);
  };
}

}  // namespace tidemark::cli
