//! Scenes that came out coarser than the recipe are tried again where the conditions are others: by
//! another kernel, or within other limits of memory or time.

use cadmill_domain::{Failure, Input, Work, ledger::Request};
use tracing::info;

use crate::runner::TaskRunner;

impl TaskRunner {
    /// Asks once more for each coarser scene that was not tried under the conditions that hold here.
    /// Each condition leaves a scene with its own input, so the recipe is tried once for each.
    pub(crate) async fn retry_coarser(&self) -> Result<(), Failure> {
        let coarser = self.ask(self.records.view.coarser()).await?;
        if coarser.is_empty() {
            return Ok(());
        }
        let conditions = self.conditions().await?;
        let recipe = self.settings.plan.recipe();
        let mut asked = 0;
        for (work, input) in coarser {
            let tried_here = input.requested().coarser(recipe, &conditions);
            if input != tried_here && !self.has_asset(work, &tried_here).await? {
                let request = Request {
                    retry_coarser: true,
                    ..Request::BULK
                };
                self.ask(self.records.requests.request(work, request))
                    .await?;
                asked += 1;
            }
        }
        if asked > 0 {
            info!(
                asked,
                "coarser scenes are tried again under other conditions"
            );
        }
        Ok(())
    }

    async fn has_asset(&self, work: Work, input: &Input) -> Result<bool, Failure> {
        let assets = self.ask(self.records.assets.of_file(work.cad_file_id));
        let assets = assets.await?;
        Ok(assets.iter().any(|asset| asset.input == *input))
    }
}
