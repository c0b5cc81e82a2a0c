// What a segment is: a condition over the entities of one table or model, as a typed tree. Everything that
// reads definitions (YAML files, the API's JSON, filter tuples) produces this, and both evaluators read it;
// there is one meaning for each node, written down in docs/SEGMENTS.md.
//
// Every condition is true or false, never unknown. A negative operator (neq, not_in, not_contains,
// not_exists, has_none) is the exact opposite of its positive one and is read as `not` around it, so the tree
// has positive leaves only. Synonyms are gone too: `gt: 2` of a count is "at least 3".
//
// Time. A condition holds at instants; windows are half open in the instant of evaluation T: an event at `ts`
// lies "within 30 days" for ts <= T < ts + 30 d. An event in the future does not count until T reaches it.
// Durations are exact seconds. Calendar days, weeks and months are those of the segment's time zone, and
// occur only where they are asked for (on, anniversary, active days, regularly).
//
// Plain values. Positions are for messages; they are no part of a definition's identity (canonical.h).
#pragma once

#include "config/diagnostic.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tidemark::segments {

using config::Location;

struct Node;

// Steps from a row into its values: {"address", "city"}. The first step is a column of the row or a key of
// its properties.
using Path = std::vector<std::string>;

struct Literal {
  enum class Kind { text, number, boolean };
  Kind kind = Kind::text;
  std::string text;  // number: canonical, as canonical_number() writes it; boolean: true | false

  auto operator<=>(const Literal&) const = default;
};

// A number between bounds, each of which may be missing; canonical number texts.
struct NumberRange {
  std::optional<std::string> low, high;
  bool low_open = false, high_open = false;  // the bound itself is outside
};

// How many: at least `low`, at most `high`.
struct CountRange {
  int64_t low = 0;
  std::optional<int64_t> high;
};

// A moment as written in a definition. Without a zone it is local time of the segment's zone.
struct Moment {
  std::string text;  // "2026-05-03 00:00:00[.ffffff]", UTC when `utc`
  bool utc = false;
};

// --- Tests of one value

// Equal to one of the values: numbers as numbers, texts and booleans as texts.
struct IsOneOf {
  std::vector<Literal> values;  // sorted, distinct
};
// There, and neither null nor "".
struct Exists {};
struct InRange {
  NumberRange range;
};
struct TextTest {
  enum class Kind { contains, starts_with, ends_with, matches };
  Kind kind = Kind::contains;
  std::string text;
  bool ignore_case = false;
};
// The value is a list that holds any, or all, of the values, compared as texts.
struct ListTest {
  bool all = false;
  std::vector<std::string> values;  // sorted, distinct
};
// The value is a list of objects, at least one of which fulfils all conditions.
struct AnyItem {
  std::vector<Node> conditions;
};
struct DateTest {
  enum class Kind {
    before,           // value < moment
    after,            // value >= moment
    on,               // the calendar day of moment
    within_last,      // value <= T < value + seconds
    within_next,      // value - seconds <= T < value
    more_than_ago,    // T >= value + seconds
    more_than_ahead,  // T < value - seconds
    anniversary,      // the calendar day of T, `days` later, is that of a yearly return of value's day
  };
  Kind kind = Kind::before;
  Moment moment;
  int64_t seconds = 0;
  int64_t days = 0;
};
// The value is one of `values` and has been since at least `seconds` ago, or since less than that.
struct HasBeen {
  std::vector<Literal> values;
  int64_t seconds = 0;
  bool less = false;
};

struct PropertyCondition {
  Path path;
  std::variant<IsOneOf, Exists, InRange, TextTest, ListTest, AnyItem, DateTest, HasBeen> test;
};

// --- Conditions over events

struct EventSelection {
  std::vector<std::string> names;     // sorted, distinct
  std::vector<std::string> prefixes;  // likewise; {""}: every event
  std::vector<Node> filter;           // over the event's properties; all of them
  std::string table;                  // one of the segment's event tables; empty: all
};

// At T: events with T - older < ts <= T - newer, and from <= ts < to.
struct Window {
  std::optional<int64_t> older_seconds;
  int64_t newer_seconds = 0;
  std::optional<Moment> from, to;
};

// Of the selected events in the window: how many.
struct EventCount {
  CountRange range;
};
// A number made of a property of them. No number: count_distinct and sum are 0, the others hold for nobody.
struct EventValue {
  enum class Function { sum, average, minimum, maximum, count_distinct };
  Function function = Function::sum;
  Path path;
  NumberRange range;
};
// The properties of the first or the last of them (ties: by event id). None: holds for nobody.
struct EdgeEvent {
  bool last = true;
  std::vector<Node> test;  // all of them
};
// Calendar days with at least one of them.
struct ActiveDays {
  CountRange range;
};
// At least `times` of them in each of at least `periods` of the `of` last calendar periods, the present one
// included.
struct Regularly {
  enum class Period { day, week, month };
  int64_t times = 1, periods = 1, of = 1;
  Period period = Period::week;
};
// One of them in the window came at least `gap_seconds` after the one before it.
struct Restarted {
  int64_t gap_seconds = 0;
};

struct EventCondition {
  EventSelection events;
  Window window;
  std::variant<EventCount, EventValue, EdgeEvent, ActiveDays, Regularly, Restarted> test;
};

// A `first` in the window with a `then` at first.ts < then.ts < first.ts + within; `absent`: with none of
// those, which is known at first.ts + within.
struct Sequence {
  EventSelection first, then;
  int64_t within_seconds = 0;
  bool absent = false;
  Window window;
};

// --- Other conditions

struct MemberOf {
  std::string segment;
};
// In a list that is kept by hand (manual_lists.h).
struct InList {
  std::string list;
};
// A share of all entities, chosen by a hash of `seed` and the entity's key, whatever the segment is called.
struct RandomShare {
  std::string percent;  // canonical number, 0..100, at most four digits behind the point
  std::string seed;
};
// Rows of another table whose `columns` equal the entity's (or row's) `of`, and that fulfil `where`: how
// many, or a number made of them. At most two deep.
struct Related {
  std::string table;                 // database.name
  std::vector<std::string> columns;  // of that table
  std::vector<std::string> of;       // of the entity or the row before
  std::vector<Node> where;           // properties, and one more Related
  std::variant<EventCount, EventValue> test;
};
// For groups and accounts: of the entities of another table that belong to this one, any, all (at least one)
// or none fulfils `where`, which may use everything but further groups.
struct OfUsers {
  enum class Quantifier { any, all };  // none: not any
  Quantifier quantifier = Quantifier::any;
  std::string entity;                // database.name
  std::vector<std::string> key;      // of it
  std::vector<std::string> columns;  // of it, that name the group; in the order of the group's key
  std::vector<Node> where;           // exactly one
};

// --- The tree

struct All {
  std::vector<Node> children;  // none: true
};
struct Any {
  std::vector<Node> children;  // none: false
};
struct Not {
  std::vector<Node> child;  // exactly one
};

struct Node {
  std::variant<All, Any, Not, PropertyCondition, EventCondition, Sequence, MemberOf, InList, RandomShare,
               Related, OfUsers>
      condition;
  Location where;
};

// A table of events and how it belongs to the entity.
struct EventTable {
  std::string table;             // database.name
  std::vector<std::string> key;  // its columns that equal the entity's key, in that order
  std::string name;              // column with the event's name; empty: every row is `constant_name`
  std::string constant_name;
  std::string time;        // column with the instant
  std::string properties;  // column with an object; empty: plain columns only
  std::string id;          // column that orders events of one instant; empty: none
  Location where;
};

struct Options {
  enum class Initial { none, all };
  Initial initial = Initial::none;    // who is notified of when the segment is new
  int64_t cooldown_seconds = 0;       // no second `entered` sooner than this
  int64_t minimum_dwell_seconds = 0;  // no `entered` before a membership is this old
};

struct Definition {
  std::string name;  // identifier
  std::string description;
  std::string entity;              // database.name
  std::vector<std::string> key;    // empty: the table's own
  std::vector<EventTable> events;  // empty: the project's
  std::string time_zone;           // empty: the project's
  Node condition;
  std::vector<std::string> notify;      // destinations
  std::vector<std::string> properties;  // sent along with notifications
  Options options;
  Location where;
};

}  // namespace tidemark::segments
