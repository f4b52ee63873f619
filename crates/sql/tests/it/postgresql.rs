use trailkeeper_sql::Vendor;

use crate::all_are;

#[test]
fn each_verb_names_its_table() {
    all_are(
        Vendor::PostgreSql,
        &[
            ("INSERT INTO a VALUES (%s)", &["insert a+"]),
            (
                "INSERT INTO a AS x (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 2 RETURNING *",
                &["insert a+"],
            ),
            ("INSERT INTO a DEFAULT VALUES", &["insert a+"]),
            ("INSERT INTO a OVERRIDING SYSTEM VALUE SELECT * FROM b", &["insert a+"]),
            ("UPDATE a SET b = %s WHERE c = %(c)s", &["update a+"]),
            ("UPDATE a AS x SET b = y.b FROM c AS y WHERE x.d = y.d RETURNING x.d", &["update a+"]),
            ("UPDATE a SET (b, c) = (SELECT 1, 2) WHERE d = ANY(%s)", &["update a+"]),
            ("DELETE FROM a", &["delete a+"]),
            ("DELETE FROM a AS x USING b WHERE x.c = b.c", &["delete a+"]),
            (
                "MERGE INTO a AS x USING b ON x.c = b.c WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (c) VALUES (b.c)",
                &["merge a+"],
            ),
            ("TRUNCATE a, b RESTART IDENTITY CASCADE", &["truncate a", "truncate b"]),
            ("TRUNCATE TABLE ONLY a;", &["truncate a"]),
            ("COPY a (b, c) FROM STDIN", &["copy a+"]),
            ("COPY a FROM STDIN WITH (FORMAT csv, HEADER)", &["copy a+"]),
            ("COPY a FROM STDIN (FORMAT BINARY)", &["copy a+"]),
            ("CALL close_month(%s)", &["call ?"]),
            ("DO $$ BEGIN DELETE FROM a; END $$", &["do ?"]),
            ("EXECUTE prepared(1)", &["execute ?"]),
        ],
    );
}

#[test]
fn names_are_folded_as_the_server_folds_them() {
    all_are(
        Vendor::PostgreSql,
        &[
            ("UPDATE Public.Invoice SET b = 1", &["update public.invoice+"]),
            ("UPDATE \"Public\".\"In\"\"voice\" SET b = 1", &["update Public.In\"voice+"]),
            ("DELETE FROM ONLY \"a\"", &["delete a+"]),
            ("UPDATE ONLY a SET b = 1", &["update a+"]),
            ("update\n only a as x set b=%s", &["update a+"]),
        ],
    );
}

#[test]
fn a_write_inside_with_is_found() {
    all_are(
        Vendor::PostgreSql,
        &[
            ("WITH x AS (DELETE FROM a RETURNING *) SELECT count(*) FROM x", &["delete a"]),
            (
                "WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x",
                &["delete a", "insert b"],
            ),
            (
                "WITH RECURSIVE x AS (SELECT 1), y AS (UPDATE a SET b = 1 RETURNING c) SELECT * FROM x, y",
                &["update a"],
            ),
            ("WITH x AS NOT MATERIALIZED (SELECT 1) UPDATE a SET b = 1 FROM x", &["update a+"]),
            ("WITH x AS (SELECT 1) DELETE FROM a USING x", &["delete a+"]),
            ("WITH a AS (SELECT 1) SELECT * FROM a FOR UPDATE", &[]),
            ("COPY (DELETE FROM a RETURNING *) TO STDOUT", &["delete a"]),
            ("EXPLAIN ANALYZE DELETE FROM a", &["delete a"]),
            ("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM a", &["delete a"]),
        ],
    );
}

#[test]
fn what_does_not_write_is_nothing() {
    all_are(
        Vendor::PostgreSql,
        &[
            ("COPY a TO STDOUT", &[]),
            ("COPY (SELECT * FROM a) TO STDOUT", &[]),
            ("EXPLAIN DELETE FROM a", &[]),
            ("EXPLAIN (ANALYZE false) DELETE FROM a", &[]),
            ("PREPARE p AS DELETE FROM a", &[]),
            ("SELECT 'x; DELETE FROM a'", &[]),
            ("SELECT 1; COMMIT;", &[]),
            ("CREATE TABLE b AS SELECT * FROM a; ALTER TABLE b ADD c int", &[]),
            (
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC DELETE FROM a; SELECT 1; END; SELECT 1",
                &[],
            ),
            ("CREATE RULE r AS ON INSERT TO a DO INSTEAD DELETE FROM b", &[]),
            ("WITH x AS (SELECT 1) SELECT * FROM x", &[]),
            ("ANALYZE a", &[]),
        ],
    );
}

#[test]
fn each_statement_of_a_text_is_found_once() {
    all_are(
        Vendor::PostgreSql,
        &[
            (
                "BEGIN; INSERT INTO a VALUES (1); INSERT INTO a VALUES (';'); DELETE FROM b; COMMIT",
                &["insert a", "delete b"],
            ),
            ("INSERT INTO a VALUES (1); COMMIT; DELETE FROM b; ROLLBACK", &["insert a"]),
            ("BEGIN; DELETE FROM b; ROLLBACK; SELECT 1", &[]),
            ("SELECT 1; DELETE FROM a", &["delete a"]),
            ("DELETE FROM a;;", &["delete a+"]),
        ],
    );
}

#[test]
fn what_the_grammar_refuses_is_told_by_its_first_words() {
    all_are(
        Vendor::PostgreSql,
        &[
            ("INSERT INTO s.a (b) VALUES (1) NOT YET KNOWN", &["insert s.a+"]),
            ("UPDATE ONLY a AS x SET b ~~~ NOT YET KNOWN", &["update a+"]),
            ("UPDATE a x SET b !!", &["update a+"]),
            ("DELETE FROM a WHERE NOT YET KNOWN !!", &["delete a+"]),
            ("TRUNCATE a, ONLY b *, c NOT YET KNOWN", &["truncate a", "truncate b", "truncate c"]),
            ("COPY a FROM STDIN NOT YET KNOWN", &["copy a+"]),
            ("COPY a TO STDOUT NOT YET KNOWN", &[]),
            ("MERGE INTO a USING NOT YET KNOWN", &["merge a+"]),
            ("WITH x AS (DELETE FROM a NOT YET KNOWN) SELECT 1", &["unknown ?"]),
            ("WITH x AS (SELECT 1 NOT YET KNOWN) SELECT 1 FOR NO KEY UPDATE", &[]),
            ("EXPLAIN ANALYZE DELETE NOT YET KNOWN", &["unknown ?"]),
            ("DELETE a", &["delete ?+"]),
            ("INSERT", &["insert ?+"]),
            ("INSERT INTO 'a", &["insert ?+"]),
        ],
    );
}
