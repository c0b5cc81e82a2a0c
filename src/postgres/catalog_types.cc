#include "postgres/catalog_types.h"

#include "postgres/wire_text.h"

namespace tidemark::postgres {
namespace {

constexpr int decimal_precision_max = 76;

struct Shape {
  const TypeEntry* type = nullptr;  // domains resolved
  int32_t modifier = -1;
};

// Domains down to their base type; the outermost modifier wins, as only the base type can have one (domains
// do not nest modifiers).
Shape resolve(const TypeEntries& types, uint32_t oid, int32_t modifier) {
  for (int depth = 0; depth < 32; ++depth) {
    auto found = types.find(oid);
    if (found == types.end()) return {};
    if (found->second.kind != 'd') return {&found->second, modifier};
    if (modifier < 0) modifier = found->second.modifier;
    oid = found->second.base;
  }
  return {};
}

WireType wire_of(const TypeEntry& type) {
  switch (type.oid) {
    case 16:
      return WireType::boolean;
    case 17:
      return WireType::bytea;
    case 18:
      return WireType::char1;
    case 20:
      return WireType::int8;
    case 21:
      return WireType::int2;
    case 23:
      return WireType::int4;
    case 26:
    case 28:
    case 29:
      return WireType::oid;
    case 700:
      return WireType::float4;
    case 701:
      return WireType::float8;
    case 650:
    case 869:
      return WireType::inet;
    case 774:
    case 829:
      return WireType::macaddr;
    case 790:
      return WireType::money;
    case 1082:
      return WireType::date;
    case 1083:
      return WireType::time;
    case 1114:
      return WireType::timestamp;
    case 1184:
      return WireType::timestamptz;
    case 1186:
      return WireType::interval;
    case 1266:
      return WireType::timetz;
    case 1560:
    case 1562:
      return WireType::bit;
    case 1700:
      return WireType::numeric;
    case 2950:
      return WireType::uuid;
    case 3220:
      return WireType::lsn;
    case 3802:
      return WireType::jsonb;
    case 5069:
      return WireType::xid8;
    default:
      break;
  }
  if (type.kind == 'e') return WireType::text;
  if (type.kind == 'b') {
    // Types whose binary form is their text, extensions (citext) among them, are known by their send
    // function.
    for (const char* send : {"textsend", "varcharsend", "bpcharsend", "namesend", "json_send", "xml_send"})
      if (type.send_function == send) return WireType::text;
    if (type.send_function == "hstore_send") return WireType::hstore;
  }
  if (type.kind == 'r') return WireType::range;
  if (type.kind == 'm') return WireType::multirange;
  if (type.array) return WireType::array;
  return WireType::other;
}

// numeric's modifier is ((precision << 16) | (scale in 11 bits, signed)) + 4; -1 when unconstrained.
ColumnType numeric_target(int32_t modifier) {
  if (modifier < 4) return ColumnType::of(TypeKind::string);
  int precision = ((modifier - 4) >> 16) & 0xffff;
  int scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
  if (precision < 1 || precision > decimal_precision_max || scale < 0 || scale > precision)
    return ColumnType::of(TypeKind::string);
  return ColumnType::decimal(static_cast<uint8_t>(precision), static_cast<uint8_t>(scale));
}

ColumnType scalar_target(WireType wire, int32_t modifier) {
  switch (wire) {
    case WireType::boolean:
      return ColumnType::of(TypeKind::boolean);
    case WireType::int2:
      return ColumnType::of(TypeKind::int16);
    case WireType::int4:
      return ColumnType::of(TypeKind::int32);
    case WireType::int8:
      return ColumnType::of(TypeKind::int64);
    case WireType::oid:
      return ColumnType::of(TypeKind::uint32);
    case WireType::xid8:
      return ColumnType::of(TypeKind::uint64);
    case WireType::float4:
      return ColumnType::of(TypeKind::float32);
    case WireType::float8:
      return ColumnType::of(TypeKind::float64);
    case WireType::numeric:
      return numeric_target(modifier);
    case WireType::uuid:
      return ColumnType::of(TypeKind::uuid);
    case WireType::date:
      return ColumnType::of(TypeKind::date32);
    case WireType::timestamp:
      return ColumnType::datetime64(6);
    case WireType::timestamptz:
      return ColumnType::datetime64(6, "UTC");
    default:
      return ColumnType::of(TypeKind::string);
  }
}

}  // namespace

void map_type(const TypeEntries& types, SourceColumn& column) {
  column.wire = WireType::other;
  column.element_wire = WireType::other;
  column.effective_modifier = -1;
  column.target = ColumnType::of(TypeKind::string);
  bool nullable = !column.not_null && column.key_position < 0;

  Shape shape = resolve(types, column.type_oid, column.type_modifier);
  if (shape.type != nullptr) {
    column.wire = wire_of(*shape.type);
    column.effective_modifier = shape.modifier;
    column.target = scalar_target(column.wire, shape.modifier);
    column.target.low_cardinality = shape.type->kind == 'e';
  }
  if (column.wire == WireType::array || column.wire == WireType::range ||
      column.wire == WireType::multirange) {
    // A range's modifier means nothing for its bounds; an array's is its elements'.
    Shape element = resolve(types, shape.type->element, column.wire == WireType::array ? shape.modifier : -1);
    WireType wire = element.type == nullptr ? WireType::other : wire_of(*element.type);
    auto is_range = [](WireType candidate) {
      return candidate == WireType::range || candidate == WireType::multirange;
    };
    if (column.wire == WireType::array && is_range(wire)) {
      Shape bound = resolve(types, element.type->element, -1);
      if (bound.type != nullptr) column.bound_wire = wire_of(*bound.type);
      if (scalar_text_function(column.bound_wire) == nullptr) wire = WireType::other;
    } else if (scalar_text_function(wire) == nullptr) {
      wire = WireType::other;  // an array of a domain over an array, a range of ranges
    }
    column.element_wire = wire;
    column.effective_modifier = element.modifier;
    if (element.type != nullptr) column.element_delimiter = element.type->delimiter;
    // Elements we can only read as text could still be an array of strings; one rule for all keeps it simple:
    // an array whose elements have no binary decoder travels as its literal.
    if (column.wire == WireType::array && !nullable && column.element_wire != WireType::other)
      column.target = ColumnType::array_of(scalar_target(wire, element.modifier).as_nullable());
  }
  if (nullable) column.target = column.target.as_nullable();
}

}  // namespace tidemark::postgres
