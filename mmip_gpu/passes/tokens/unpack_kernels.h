// AC sub-streams of one stage on the host: two are decoded in turns, since a token waits for the place of the one before.
// Values: UnpackJob. Home: host, per instruction set. One item of work = one sub-stream. Implements FORMAT.md section 8.2.
#pragma once

#include "rules/palette/palette_reader.h"
#include "rules/tokens/substream_reader.h"
#include "passes/kernels.h"

namespace MMIP_NS {

inline void finish_palettes(mmip::UnpackJob& job) {
    if (job.status != kOk || job.palettes == 0) return;
    PaletteScratch scratch;
    job.status = read_palettes(job, scratch);
}

template <bool predicted>
inline void unpack_tile(BlockReader<predicted>& reader, bool more) {
    while (more) {
        const TokenSource source = reader.source_;
        TokenCursor cursor = reader.cursor_;
        int status = kOk;
        while (status == kOk && cursor.left > 0) status = read_token(source, cursor);
        reader.cursor_ = cursor;
        more = reader.go_on(status);
    }
}

template <bool predicted>
inline void unpack_two(mmip::UnpackJob& first, mmip::UnpackJob& second) {
    BlockReader<predicted> a(first), b(second);
    bool more_a = a.next_block(), more_b = b.next_block();
    while (more_a && more_b) {
        const TokenSource source_a = a.source_, source_b = b.source_;
        TokenCursor at_a = a.cursor_, at_b = b.cursor_;
        int status_a = kOk, status_b = kOk;
        for (int n = at_a.left < at_b.left ? at_a.left : at_b.left; n > 0 && (status_a | status_b) == kOk; --n) {
            status_a = read_token(source_a, at_a);
            status_b = read_token(source_b, at_b);
        }
        a.cursor_ = at_a, b.cursor_ = at_b;
        more_a = a.go_on(status_a), more_b = b.go_on(status_b);
    }
    unpack_tile(a, more_a);
    unpack_tile(b, more_b);
}

// `predicted`: of all jobs.
template <bool predicted>
inline void unpack_each(mmip::UnpackJob* jobs, int count) {
    int i = 0;
    for (; i + 1 < count; i += 2) unpack_two<predicted>(jobs[i], jobs[i + 1]);
    if (i < count) {
        BlockReader<predicted> last(jobs[i]);
        unpack_tile(last, last.next_block());
    }
}

}  // namespace MMIP_NS
