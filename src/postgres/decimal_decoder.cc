#include "postgres/decimal_decoder.h"

#include "postgres/big_endian.h"
#include "postgres/wire_text.h"

namespace tidemark::postgres {
namespace {

constexpr uint16_t sign_negative = 0x4000;
constexpr uint16_t sign_nan = 0xC000;
constexpr const char* not_a_number = "NaN does not fit a Decimal";
constexpr const char* infinite = "an infinity does not fit a Decimal";
constexpr const char* too_large = "the number has more digits before the point than the column's Decimal";
constexpr const char* too_fine = "the number has more digits after the point than the column's Decimal";
constexpr const char* malformed = "the number cannot be read";
constexpr unsigned powers[] = {1, 10, 100, 1'000, 10'000};

// An unsigned number of up to 256 bits that grows by "times, plus".
struct Wide {
  uint64_t limb[4] = {};
  void multiply_add(uint32_t factor, uint32_t term) {
    unsigned __int128 carry = term;
    for (uint64_t& part : limb) {
      carry += static_cast<unsigned __int128>(part) * factor;
      part = static_cast<uint64_t>(carry);
      carry >>= 64;
    }
  }
  void negate() {
    uint64_t carry = 1;
    for (uint64_t& part : limb) {
      part = ~part + carry;
      carry = part == 0 && carry == 1 ? 1 : 0;
    }
  }
};

template <class T>
struct Narrow {
  T value = 0;
  void multiply_add(uint32_t factor, uint32_t term) { value = value * factor + term; }
  void negate() { value = T{0} - value; }
};

template <class Accumulator, size_t width>
void store(Accumulator& number, bool negative, Column& out) {
  if (negative) number.negate();
  // Little-endian two's complement: a narrower target is the front of the number.
  std::memcpy(out.append_fixed(), &number, width);
}

int digit_count(unsigned group) {
  return group >= 1000 ? 4 : group >= 100 ? 3 : group >= 10 ? 2 : 1;
}

// The wire form is base-10,000 digits; digit i counts 10,000^(weight - i). Scaled by 10^scale every digit
// must land on a whole number.
template <class Accumulator, size_t width>
DecodeError decimal_from_binary(const Decoder& decoder, const char* data, size_t length, Column& out) {
  if (length < 8) return wrong_length;
  int groups = read_u16(data);
  int weight = read_i16(data + 2);
  uint16_t sign = read_u16(data + 4);
  if (length != 8 + static_cast<size_t>(groups) * 2) return wrong_length;
  if (sign > sign_negative) return sign == sign_nan ? not_a_number : infinite;
  data += 8;
  while (groups > 0 && read_u16(data) == 0) {
    data += 2;
    --groups;
    --weight;
  }
  Accumulator number;
  if (groups > 0) {
    unsigned first = read_u16(data);
    if (first > 9999) return malformed;
    int scale = decoder.scale;
    if (4 * weight + digit_count(first) > decoder.precision - scale) return too_large;
    int exponent = 4 * weight + scale;  // of the current digit's lowest decimal place, scaled
    for (int index = 0; index < groups; ++index, exponent -= 4, data += 2) {
      unsigned digit = read_u16(data);
      if (digit > 9999) return malformed;
      if (exponent >= 0) {
        number.multiply_add(10'000, digit);
      } else if (exponent > -4) {
        if (digit % powers[-exponent] != 0) return too_fine;
        number.multiply_add(powers[4 + exponent], digit / powers[-exponent]);
      } else if (digit != 0) {
        return too_fine;
      }
    }
    // The last digit read had exponent + 4; trailing zeros are not on the wire.
    for (int zeros = exponent + 4; zeros > 0; zeros -= 4)
      number.multiply_add(powers[zeros < 4 ? zeros : 4], 0);
  }
  store<Accumulator, width>(number, sign == sign_negative, out);
  return nullptr;
}

template <class Accumulator, size_t width>
DecodeError decimal_from_text(const Decoder& decoder, const char* data, size_t length, Column& out) {
  std::string_view text(data, length);
  bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  if (text == "NaN") return not_a_number;
  if (text == "Infinity") return infinite;
  size_t point = text.find('.');
  std::string_view whole = text.substr(0, point);
  std::string_view fraction = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole.empty() && fraction.empty()) return malformed;
  while (!whole.empty() && whole.front() == '0') whole.remove_prefix(1);
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  if (whole.size() > static_cast<size_t>(decoder.precision - decoder.scale)) return too_large;
  if (fraction.size() > decoder.scale) return too_fine;
  Accumulator number;
  for (std::string_view part : {whole, fraction})
    for (char character : part) {
      if (character < '0' || character > '9') return malformed;
      number.multiply_add(10, static_cast<uint32_t>(character - '0'));
    }
  for (size_t place = fraction.size(); place < decoder.scale; ++place) number.multiply_add(10, 0);
  store<Accumulator, width>(number, negative, out);
  return nullptr;
}

template <class Accumulator, size_t width>
constexpr DecimalFunctions functions() {
  return {decimal_from_binary<Accumulator, width>, decimal_from_text<Accumulator, width>};
}

}  // namespace

DecimalFunctions decimal_functions(const ColumnType& target) {
  switch (target.width()) {
    case 4:
      return functions<Narrow<uint64_t>, 4>();
    case 8:
      return functions<Narrow<uint64_t>, 8>();
    case 16:
      return functions<Narrow<unsigned __int128>, 16>();
    default:
      return functions<Wide, 32>();
  }
}

}  // namespace tidemark::postgres
