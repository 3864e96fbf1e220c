// A row of labels as runs of equal ones, each coded by where it begins against the runs of the row above.
// Values: LabelRun lists of a row, the row above, and the same row one slice before. Host and device.
// Implements FORMAT.md section 8.8 (rows). A reader's work is bounded by the length of the row, whatever the bytes say.
#pragma once

#include "rules/labels/label_model.h"

namespace MMIP_NS {

constexpr int8_t kRunBegun = 3;

// Samples from x to the next run have a label. move: how far x is from the run above that it goes on from, kept within
// -2 .. 2, or kRunBegun; before: sign of that run's own move.
struct LabelRun {
    int32_t x;
    uint32_t label;
    int8_t move, before;
};

struct LabelRow {
    const LabelRun* runs;
    int count;

    // Label at x, where `at` is a run that begins at or before x; it is moved to the run of x.
    MMIP_RULE uint32_t label_at(int x, int& at) const {
        if (count == 0) return kNoLabel;
        while (at + 1 < count && runs[at + 1].x <= x) ++at;
        return runs[at].label;
    }
};

// What happens at a run of the row above: it goes on, moved; it ends; or one begins in front of it.
enum LabelStep { kStepGoesOn = 0, kStepEnded = 1, kStepBegun = 2 };

struct LabelMove {
    int step, move;
};

// What a step is coded by.
struct StepPlace {
    int above;                                               // where the run above begins
    int gap, gap_before;                                     // from there to the next run, and to the one before
    int move, before;                                        // of the run above
    int near;                                                // 1 + sign of the last move + 1 where its run above is near; else 0
    bool crossed, same;                                      // nothing can go on there; its label is the current one
};

MMIP_RULE int label_sign(int v) { return (v > 0) - (v < 0); }

MMIP_RULE int step_context(const StepPlace& p) {
    if (p.crossed || p.same) return kStepCrossed + (p.crossed ? 1 : 0) + (p.same ? 2 : 0);
    return ((p.move + 2) * 3 + p.before + 1) * 4 + p.near;
}

MMIP_RULE int gap_context(int gap) { return gap <= 1 ? 0 : (gap <= 2 ? 1 : (gap <= 4 ? 2 : (gap <= 8 ? 3 : 4))); }

// Codes (or reads) what happens at a run above; step kStepGoesOn with a move of kNoMove: too far.
constexpr int kNoMove = 1 << 30;
template <class Coder>
MMIP_RULE LabelMove code_step(const LabelMove& m, const StepPlace& p, Coder& coder) {
    const int context = step_context(p);
    const bool goes_on = m.step == kStepGoesOn;
    if (coder.decide(kStepStill + context, goes_on && m.move == 0) != 0) return {kStepGoesOn, 0};
    if (coder.decide(kStepByOne + context, goes_on && (m.move == 1 || m.move == -1)) != 0)
        return {kStepGoesOn, coder.decide(kStepRight + context, m.move > 0) != 0 ? 1 : -1};
    const int gap = gap_context(p.gap);
    const int behind = p.gap_before <= 2 ? 0 : (p.gap_before <= 4 ? 1 : 2);
    if (coder.decide(kStepEnds + 3 * gap + behind + (p.near != 0 ? 15 : 0), m.step == kStepEnded) != 0) return {kStepEnded, 0};
    if (coder.decide(kStepBegins + gap, m.step == kStepBegun) != 0) return {kStepBegun, 0};
    const int right = coder.decide(kFarRight + p.move + 2 + 6 * p.near, m.move > 0);
    const int far = code_number((m.move > 0 ? m.move : -m.move) - 2, kFarSize, coder);
    if (far < 0) return {kStepGoesOn, kNoMove};
    return {kStepGoesOn, right != 0 ? far + 2 : -far - 2};
}

// The row of a reader, which knows none of it.
struct NoRow {
    MMIP_RULE uint32_t label(int) const { return 0; }
    MMIP_RULE int x(int) const { return 0; }
    MMIP_RULE LabelMove move(const LabelRow&, int, int) const { return {kStepGoesOn, 0}; }
};

// The walk over a row of `width` samples. `given` knows run `i` of a writer's row: label(i), x(i) (the width after the last
// run), and move(above, k, i): what happens at run k above, when i runs are coded. `row` may be the writer's own.
template <class Coder, class Given>
struct LabelRowWalk {
    const LabelRow& above;
    const LabelRow& before;
    int width;
    const Given& given;
    LabelNames& names;
    Coder& coder;
    LabelRun* row;
    int count = 0;
    int at_above = 0, at_before = 0;                         // runs around the last label that was looked up
    int last_move = 0, last_above = 0;                       // of the last run, if it went on
    bool went_on = false;

    MMIP_RULE bool begin() {
        const uint32_t hint = above.label_at(0, at_above), earlier = before.label_at(0, at_before);
        uint32_t label = given.label(0);
        const int agreeing = earlier == kNoLabel ? 0 : (earlier == hint ? 1 : 2);
        if (hint != kNoLabel && coder.decide(kRowFirst + agreeing, label == hint) != 0) label = hint;
        else label = code_label(label, {hint, kNoLabel, earlier, kNoLabel}, names, coder);
        row[count++] = {0, label, 0, 0};
        return label != kNoLabel;
    }

    MMIP_RULE StepPlace place(int k) const {
        const LabelRun& up = above.runs[k];
        const int next = k + 1 < above.count ? above.runs[k + 1].x : width;
        const bool is_near = went_on && up.x - last_above <= 8;
        return {up.x, next - up.x, up.x - (k > 1 ? above.runs[k - 1].x : 0), up.move, up.before, is_near ? 2 + label_sign(last_move) : 0,
                up.x <= row[count - 1].x, up.label == row[count - 1].label};
    }

    MMIP_RULE bool add(int64_t x, uint32_t label, int8_t move, int8_t earlier) {
        if (label == kNoLabel || label == row[count - 1].label || x <= row[count - 1].x || x >= width) return false;
        row[count++] = {static_cast<int32_t>(x), label, move, earlier};
        return true;
    }

    MMIP_RULE bool go_on(int k, int move) {
        const LabelRun& up = above.runs[k];
        went_on = true;
        last_move = move;
        last_above = up.x;
        const int kept = move < -2 ? -2 : (move > 2 ? 2 : move);
        return add(int64_t{up.x} + move, up.label, static_cast<int8_t>(kept), static_cast<int8_t>(up.move == kRunBegun ? 0 : label_sign(up.move)));
    }

    MMIP_RULE bool begin_run() {
        const int from = row[count - 1].x + 1;
        const int distance = code_number(given.x(count) - from, kNearBegin + (count > 1 ? kNumberContexts : 0), coder);
        if (distance < 0 || from + distance >= width) return false;
        const int x = from + distance;
        const LabelHints hints{row[count - 1].label, above.label_at(x, at_above), before.label_at(x, at_before), count > 1 ? row[count - 2].label : kNoLabel};
        const uint32_t label = code_label(given.label(count), hints, names, coder);
        went_on = false;
        return add(x, label, kRunBegun, 0);
    }

    MMIP_RULE Status walk() {
        if (!begin()) return kStatusValue;
        int k = above.count > 0 ? 1 : 0;
        for (;;) {
            LabelMove m{kStepBegun, 0};
            if (k < above.count) {
                m = code_step(given.move(above, k, count), place(k), coder);
            } else {
                const int context = (above.count <= 1 ? 0 : 2) + (count > 1 ? 1 : 0);
                if (coder.decide(kRowEnd + context, given.x(count) == width) != 0) return kOk;
            }
            if (m.step == kStepEnded) {
                went_on = false;
                ++k;
            } else if (m.step == kStepGoesOn ? !go_on(k++, m.move) : !begin_run()) {
                return kStatusPosition;
            }
        }
    }
};

}  // namespace MMIP_NS
