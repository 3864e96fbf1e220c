// The fields of a struct that the host fills or reads, for whoever must know their names and places (bindings/layouts.cpp).
// Values: members in, names and members out. Home: host and device; the device only checks that it compiles.
// Guarantees that names are those of the members, and that no member is left out: such a list does not compile.
#pragma once

#include "rules/format.h"

// Stands last in a struct. visit_fields calls visit(names, members..), names being "first, second, ..".
#define MMIP_FIELDS(...)                                                                                       \
    template <class Visit>                                                                                     \
    MMIP_RULE void visit_fields(const Visit& visit) const {                                                    \
        { [[maybe_unused]] const auto& [__VA_ARGS__] = *this; }  /* as many names as there are members */      \
        visit(#__VA_ARGS__, __VA_ARGS__);                                                                      \
    }
