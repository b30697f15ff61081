/*
 * drop_database.h
 *    A hint where DROP DATABASE is refused because of background jobs.
 */
#ifndef DL_PG_DROP_DATABASE_H
#define DL_PG_DROP_DATABASE_H

/* At the end of what _PG_init() does; nothing unless the server preloads the library. */
extern void dl_drop_database_init(void);

#endif							/* DL_PG_DROP_DATABASE_H */
