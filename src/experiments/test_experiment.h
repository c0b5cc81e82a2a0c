// For tests: an experiment with a metric of every kind, over the tables bronze.seen (experiment, unit,
// variant, at, country), bronze.events and bronze.more_events (unit, event, at, value).
#pragma once

#include "experiments/experiment_files.h"

#include <string>
#include <utility>
#include <vector>

namespace tidemark::experiments {

inline constexpr int64_t hour_us = 3'600'000'000;
inline constexpr int64_t start_us = 1'777'593'600'000'000;  // 2026-05-01

inline const std::vector<std::pair<std::string, std::string>> metric_files = {
    {"metrics/bought.yaml",
     "metric: bought\nkind: proportion\nfrom: bronze.events\nunit: unit\ntime: at\nwhere: event = "
     "'buy'\ncuped: 5d\n"},
    {"metrics/purchases.yaml",
     "metric: purchases\nkind: count\nfrom: bronze.events\nunit: unit\ntime: at\nwhere: event = "
     "'buy'\ndelay: 1h\n"
     "window: 48h\n"},
    {"metrics/revenue.yaml",
     "metric: revenue\nkind: mean\nfrom: bronze.events\nunit: unit\ntime: at\nwhere: event = 'buy'\nvalue: "
     "value\n"
     "cuped: 14d\nwindow: none\n"},
    {"metrics/capped.yaml",
     "metric: capped\nkind: mean\nfrom: bronze.events\nunit: unit\ntime: at\nwhere: event = 'buy'\nvalue: "
     "value\n"
     "cap: { percentile: 0.9 }\n"},
    {"metrics/basket.yaml",
     "metric: basket\nkind: ratio\nfrom: bronze.events\nunit: unit\ntime: at\nwhere: event = 'buy'\nvalue: "
     "value\n"
     "denominator: { where: event = 'view', from: bronze.more_events }\ncuped: 5d\ndelay: -1h\n"},
    {"metrics/returned.yaml",
     "metric: returned\nkind: retention\nfrom: bronze.events\nunit: unit\ntime: at\nafter: 2d\nwindow: "
     "24h\n"},
    {"metrics/checkout.yaml",
     "metric: checkout\nkind: funnel\nfrom: bronze.events\nunit: unit\ntime: at\nsteps:\n"
     "  - { step: view, where: event = 'view' }\n  - { step: cart, where: event = 'cart' }\n"
     "  - { step: buy, where: event = 'buy' }\n"},
    {"metrics/spend.yaml",
     "metric: spend\nkind: quantile\nlevel: 0.75\nfrom: bronze.events\nunit: unit\ntime: at\nvalue: value\n"},
    {"metrics/first.yaml",
     "metric: first\nkind: time_to_event\nfrom: bronze.events\nunit: unit\ntime: at\nwhere: event = "
     "'buy'\nwindow: 24h\n"},
};

inline std::string experiment_file(const std::string& policy) {
  return "experiment: checkout\nkey: green button\nexposures:\n  from: bronze.seen\n  experiment: "
         "experiment\n"
         "  unit: unit\n  variant: variant\n  time: at\nvariants:\n  - { variant: control, control: true }\n"
         "  - { variant: green }\n  - { variant: blue, weight: 2 }\ngoals: [bought, purchases, revenue, "
         "capped, "
         "basket, returned, checkout, spend, first]\ndimensions: { country: country }\nstart: 2026-05-01\n"
         "end: 2026-05-11\nmultiple_exposure: " +
         policy + "\n";
}

}  // namespace tidemark::experiments
