// Two vectors of lanes as one value: their steps do not wait for one another, where those of one vector do.
// Values: what the rules of residual_reader.h call on their value type. Home: host.
#pragma once

#include "rules/predictive/integer_lanes.h"

namespace MMIP_NS {

struct Twin {
    LanesI a, b;
};

#define MMIP_TWIN_OPERATOR(op)                                                             \
    MMIP_RULE Twin operator op(Twin v, Twin w) { return {v.a op w.a, v.b op w.b}; }        \
    MMIP_RULE Twin operator op(Twin v, int32_t w) { return {v.a op w, v.b op w}; }         \
    MMIP_RULE Twin operator op(int32_t v, Twin w) { return {v op w.a, v op w.b}; }
MMIP_TWIN_OPERATOR(+)
MMIP_TWIN_OPERATOR(-)
MMIP_TWIN_OPERATOR(*)
MMIP_TWIN_OPERATOR(&)
MMIP_TWIN_OPERATOR(<<)
MMIP_TWIN_OPERATOR(>>)
MMIP_TWIN_OPERATOR(<)
MMIP_TWIN_OPERATOR(>)
MMIP_TWIN_OPERATOR(!=)
#undef MMIP_TWIN_OPERATOR

MMIP_RULE Twin operator-(Twin v) { return {-v.a, -v.b}; }
MMIP_RULE Twin& operator+=(Twin& v, Twin w) { return v = v + w; }
MMIP_RULE Twin least(Twin v, Twin w) { return {least(v.a, w.a), least(v.b, w.b)}; }
MMIP_RULE Twin greatest(Twin v, Twin w) { return {greatest(v.a, w.a), greatest(v.b, w.b)}; }
MMIP_RULE Twin selected(Twin condition, Twin v, Twin w) { return {selected(condition.a, v.a, w.a), selected(condition.b, v.b, w.b)}; }
MMIP_RULE Twin shifted_left(Twin v, Twin by) { return {shifted_left(v.a, by.a), shifted_left(v.b, by.b)}; }
MMIP_RULE Twin shifted_right(Twin v, Twin by) { return {shifted_right(v.a, by.a), shifted_right(v.b, by.b)}; }
MMIP_RULE Twin half_octaves(Twin e) { return {half_octaves(e.a), half_octaves(e.b)}; }
MMIP_RULE Twin looked_up(const uint32_t* table, Twin at) { return {looked_up(table, at.a), looked_up(table, at.b)}; }
MMIP_RULE Twin word_at(const uint8_t* bytes, Twin at) { return {word_at(bytes, at.a), word_at(bytes, at.b)}; }

}  // namespace MMIP_NS
