//! `cadmill inspect`.

use crate::test_dir::TestDir;

const GEARBOX: &str = "ISO-10303-21;
HEADER;
FILE_DESCRIPTION(('A gearbox'),'2;1');
FILE_NAME('gearbox','2024-05-06T07:08:09',('Ada','Grace'),('Works'),'pre 1','CAD 2','');
FILE_SCHEMA(('AUTOMOTIVE_DESIGN { 1 0 10303 214 1 1 1 1 }'));
ENDSEC;
DATA;
#1=PRODUCT('gearbox','Gearbox','',());
#2=PRODUCT_DEFINITION_FORMATION('','',#1);
#3=PRODUCT_DEFINITION('','',#2,#90);
#4=PRODUCT('case','Geh\\X2\\00E4\\X0\\use','',());
#5=PRODUCT_DEFINITION_FORMATION('','',#4);
#6=PRODUCT_DEFINITION('','',#5,#90);
#7=PRODUCT('bolt\\X\\1B[31m','bolt','',());
#8=PRODUCT_DEFINITION_FORMATION('','',#7);
#9=PRODUCT_DEFINITION('','',#8,#90);
#10=NEXT_ASSEMBLY_USAGE_OCCURRENCE('1','','',#3,#6,$);
#11=NEXT_ASSEMBLY_USAGE_OCCURRENCE('2','','',#3,#9,$);
#12=NEXT_ASSEMBLY_USAGE_OCCURRENCE('3','','',#3,#9,$);
#20=( LENGTH_UNIT() NAMED_UNIT(*) SI_UNIT(.MILLI.,.METRE.) );
#21=( GLOBAL_UNIT_ASSIGNED_CONTEXT((#20)) REPRESENTATION_CONTEXT('','') );
#30=MANIFOLD_SOLID_BREP('',#31);
#31=CLOSED_SHELL('',(#32));
#32=ADVANCED_FACE('',(),#33,.T.);
#33=PLANE('',#34);
#34=AXIS2_PLACEMENT_3D('',#35,$,$);
#35=CARTESIAN_POINT('',(0.,0.,0.));
#90=PRODUCT_DEFINITION_CONTEXT('part definition',$,'design');
ENDSEC;
END-ISO-10303-21;
";

#[test]
fn the_contents_are_printed_as_text() {
    let dir = TestDir::new();
    dir.write("gearbox.step", GEARBOX);
    let text = dir.run(&["inspect", "gearbox.step"]).expect_exit(0).stdout;
    insta::assert_snapshot!("inspect", text);
}

#[test]
fn the_contents_are_printed_as_json() {
    let dir = TestDir::new();
    dir.write("gearbox.step", GEARBOX);
    let ended = dir
        .run(&["inspect", "--json", "gearbox.step"])
        .expect_exit(0);
    insta::assert_json_snapshot!("inspect_json", ended.objects());
}

#[test]
fn a_refused_file_is_reported_with_its_remedy_and_stops_no_other() {
    let dir = TestDir::new();
    dir.write("gearbox.step", GEARBOX);
    dir.write("half.step", &GEARBOX[..600]);
    dir.write("empty.step", "");
    let refused = dir.run(&["inspect", "half.step", "empty.step", "missing.step"]);
    insta::assert_snapshot!("inspect_refused", refused.expect_exit(1).stdout);
    let some = dir.run(&["inspect", "--json", "half.step", "gearbox.step"]);
    let objects = some.expect_exit(3).objects();
    assert_eq!(objects[0]["failure"]["code"], "step_truncated");
    assert_eq!(objects[1]["status"], "ok");
}
