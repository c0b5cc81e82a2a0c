// numeric into Decimal(p, s), exactly or not at all: digits that the scale cannot hold, magnitudes that the
// precision cannot hold, NaN and infinities are errors. (The catalog gives Decimal only to numeric(p, s),
// whose values fit by definition; what does not fit here comes from an ALTER that is still under way.)
#pragma once

#include "postgres/type_decoder.h"

namespace tidemark::postgres {

struct DecimalFunctions {
  Decoder::Function binary;
  Decoder::Function text;
};
// By width of the target: 4 and 8 bytes without wide arithmetic, 16 with __int128, 32 with four limbs.
DecimalFunctions decimal_functions(const ColumnType& target);

}  // namespace tidemark::postgres
