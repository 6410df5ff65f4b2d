// SPDX-License-Identifier: GPL-2.0-only
/* Mutations of whole steps, besides those of bytes that libFuzzer has. */
#include "fuzz.h"

size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t most);

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t most, unsigned int seed)
{
	struct step *steps = (void *)(data + sizeof(struct setup)), *a, *b;
	size_t nr, room, len;

	rnd_seed(seed);
	if (size < sizeof(struct setup) + sizeof(*steps) || most < sizeof(struct setup) || !below(8))
		return LLVMFuzzerMutate(data, size, most);
	nr = (size - sizeof(struct setup)) / sizeof(*steps);
	room = (most - sizeof(struct setup)) / sizeof(*steps);
	a = &steps[below(nr)];
	b = &steps[below(nr)];
	len = 1 + below(below(4) ? 1 : nr - (max(a, b) - steps));
	switch (below(8)) {
	case 0:
		LLVMFuzzerMutate(data, sizeof(struct setup), sizeof(struct setup));
		break;
	case 1: case 2:
		LLVMFuzzerMutate((u8 *)a, sizeof(*a), sizeof(*a));
		break;
	case 3:
		((u8 *)a)[below(sizeof(*a))] = rnd();
		break;
	case 4:
		*a = (struct step){ rnd(), below(2) ? 0 : rnd(), rnd(), rnd(), rnd(), rnd() };
		break;
	case 5:		/* some from elsewhere, in between */
		if (nr + len > room)
			break;
		memmove(a + len, a, (steps + nr - a) * sizeof(*a));
		memmove(a, b >= a ? b + len : b, len * sizeof(*a));
		nr += len;
		break;
	case 6:		/* some less */
		memmove(a, a + len, (steps + nr - a - len) * sizeof(*a));
		nr -= len;
		break;
	default:	/* some from elsewhere, instead */
		memmove(a, b, len * sizeof(*a));
	}
	return sizeof(struct setup) + nr * sizeof(*steps);
}

/* Of one the machine and the first steps, of the other one the last steps. */
size_t LLVMFuzzerCustomCrossOver(const u8 *a, size_t size_a, const u8 *b, size_t size_b, u8 *out,
				 size_t most, unsigned int seed)
{
	size_t head, tail;

	rnd_seed(seed);
	if (min3(size_a, size_b, most) < sizeof(struct setup))
		return 0;
	head = below((size_a - sizeof(struct setup)) / sizeof(struct step) + 1);
	tail = below((size_b - sizeof(struct setup)) / sizeof(struct step) + 1);
	head = sizeof(struct setup) + head * sizeof(struct step);
	tail *= sizeof(struct step);
	if (head + tail > most)
		return 0;
	memcpy(out, a, head);
	memcpy(out + head, b + size_b - tail, tail);
	return head + tail;
}
