// The value of an alert's query: the first column of its first row, asked through the read-only account,
// bounded in time, rows and threads. Rises and falls are two questions, of the period and of the one before.
//
// Nothing: no row, NULL, NaN or infinity. Errors: those of the warehouse; refused when the value is no
// number.
#pragma once

#include "clickhouse/client.h"
#include "config/alert.h"

#include <optional>

namespace tidemark::alerts {

// Precondition: the alert has a query. The period ends at `now_ms`.
Result<std::optional<double>> ask_value(clickhouse::Client& client, const config::Alert& alert,
                                        int64_t now_ms);

// One field as ClickHouse writes it in TabSeparated.
Result<std::optional<double>> value_of(std::string_view text);

}  // namespace tidemark::alerts
