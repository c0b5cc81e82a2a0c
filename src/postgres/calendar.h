// Days and civil dates in the proleptic Gregorian calendar, which is what both Postgres and ClickHouse use.
#pragma once

#include <cstdint>

namespace tidemark::postgres {

struct CivilDate {
  int64_t year = 1970;  // astronomical: 0 is 1 BC
  int month = 1;
  int day = 1;
};

// Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year; 400
// years have 146,097 days.
constexpr int64_t days_from_civil(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

constexpr CivilDate civil_from_days(int64_t days) {
  days += 719'468;
  int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  int64_t day_of_era = days - era * 146'097;
  int64_t year_of_era = (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month_from_march = (5 * day_of_year + 2) / 153;
  CivilDate date;
  date.day = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  date.month = static_cast<int>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

// What Date32 and DateTime64 can hold.
constexpr int64_t warehouse_day_min = days_from_civil(1900, 1, 1);
constexpr int64_t warehouse_day_max = days_from_civil(2299, 12, 31);
constexpr int64_t day_micros = int64_t{86'400} * 1'000'000;
constexpr int64_t warehouse_micros_min = warehouse_day_min * day_micros;
constexpr int64_t warehouse_micros_max = (warehouse_day_max + 1) * day_micros - 1;

}  // namespace tidemark::postgres
