use trailkeeper_sql::Vendor;

use crate::all_are;

#[test]
fn each_verb_names_its_table() {
    all_are(
        Vendor::MySql,
        &[
            ("INSERT IGNORE INTO `d`.`a` SET b = 1", &["insert d.a+"]),
            ("INSERT a VALUES (1)", &["insert a+"]),
            ("INSERT DELAYED INTO a VALUES (1)", &["insert a+"]),
            ("REPLACE INTO a VALUES (1)", &["replace a+"]),
            ("INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE b = VALUES(b)", &["insert a+"]),
            ("UPDATE LOW_PRIORITY IGNORE a SET b = 1", &["update a+"]),
            ("UPDATE a SET b = 1 ORDER BY c LIMIT 5", &["update a+"]),
            ("DELETE QUICK FROM a WHERE b = 1", &["delete a+"]),
            ("DELETE FROM a ORDER BY b LIMIT 5", &["delete a+"]),
            ("UPDATE IGNORE a SET b = 1", &["update a+"]),
            ("TRUNCATE a", &["truncate a"]),
            ("LOAD DATA LOCAL INFILE 'x.csv' INTO TABLE a FIELDS TERMINATED BY ','", &["load a+"]),
            ("CALL close_month()", &["call ?"]),
            ("/*!50000 DELETE FROM a */", &["delete a+"]),
            ("SELECT * FROM a INTO OUTFILE 'x'", &[]),
        ],
    );
}

#[test]
fn of_several_tables_the_changed_ones_are_told() {
    all_are(
        Vendor::MySql,
        &[
            ("UPDATE a JOIN b ON a.c = b.c SET a.d = b.d", &["update a"]),
            (
                "UPDATE a AS x JOIN b AS y ON x.c = y.c SET x.d = 1, y.d = 2, x.e = 3",
                &["update a", "update b"],
            ),
            ("UPDATE a JOIN b ON a.c = b.c SET d = 1", &["update ?"]),
            ("UPDATE a, b SET a.d = b.d WHERE a.c = b.c", &["update ?+"]),
            ("DELETE x FROM a AS x JOIN b AS y ON x.c = y.c", &["delete a"]),
            ("DELETE a, b FROM a JOIN b ON a.c = b.c", &["delete a", "delete b"]),
            ("DELETE FROM a USING a JOIN b ON a.c = b.c", &["delete a"]),
        ],
    );
}
