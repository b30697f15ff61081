/*
 * module.c
 *    What happens when the server loads the library.
 *
 * Loading is cheap and harmless in every process, the postmaster and parallel
 * workers included: it registers settings and hooks.  No thread is started,
 * no other library is opened, no large memory is taken; that is left to the
 * first call that needs it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "pg/compat.h"
#include "pg/drop_database.h"
#include "pg/job.h"
#include "pg/model_cache.h"
#include "pg/progress_shared.h"
#include "pg/score_plan.h"
#include "pg/settings.h"
#include "pg/shared_cache.h"

PG_MODULE_MAGIC;

void
_PG_init(void)
{
	/* pg_upgrade restores the catalogs only; nothing of ours may run under it. */
	if (IsBinaryUpgrade)
		return;

	dl_settings_init();
	dl_model_cache_init();
	dl_shared_cache_init();
	dl_launcher_init();
	dl_progress_init();
	dl_drop_database_init();
	dl_score_node_init();
	dl_score_plan_init();

	/* last: a setting of our prefix that is not known by then is a mistake */
	MarkGUCPrefixReserved("deep_learning");
}
