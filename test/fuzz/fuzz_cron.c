/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules and zone files: the first byte picks which; what parses must give times that only grow. */
#include "kube/kinds/cron.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void schedule(sp_arena *a, sp_str text, const sp_zone *zone)
{
	sp_cron cron;
	sp_str why;
	if (sp_cron_parse(a, text, &cron, &why) != SP_OK)
		return;
	sp_time at = {.seconds = 1711760000}, next;
	for (size_t i = 0; i < 3 && sp_cron_next(&cron, zone, at, &next); i++) {
		if (next.seconds <= at.seconds)
			abort();
		at = next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_arena a;
	sp_zone zone;
	if (size < 1)
		return 0;
	sp_str text = {(const char *)data + 1, size - 1};
	sp_arena_init(&a, (size_t)4 << 20);
	if (data[0] % 2 == 0)
		schedule(&a, text, NULL);
	else if (sp_zone_parse(&a, text, &zone, NULL) == SP_OK)
		schedule(&a, SP_STR("30 2 */3 * 1-5"), &zone);
	sp_arena_done(&a);
	return 0;
}
